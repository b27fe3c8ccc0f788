"""Prometheus itself, on the project's own alert rules."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.services.process import Process, Server
from tests.services.programs import PROMETHEUS, require

RULES = Path(__file__).resolve().parents[2] / "deploy" / "monitoring" / "alerts.yml"


def hurried(rules: str, window_s: int, limits: Mapping[str, str]) -> str:
    """The rules with all windows as short as that and without patience, so that a test need not wait.

    `limits`: what stands in place of a limit in seconds, by its text.
    """
    rules = re.sub(r"\[\d+m\]", f"[{window_s}s]", rules)
    rules = re.sub(r"\n +for: \w+", "", rules)
    for found, instead in limits.items():
        assert rules.count(found) == 1, found
        rules = rules.replace(found, instead)
    return rules


class Prometheus(Server):
    """Scrapes the ports of some servers every second, and evaluates the rules as often."""

    def __init__(self, directory: Path, ports: Sequence[int], rules: str) -> None:
        super().__init__()
        self._program = require(PROMETHEUS)
        self._directory = directory
        targets = [f"127.0.0.1:{port}" for port in ports]
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        scrape = {"job_name": "gochat", "static_configs": [{"targets": targets}]}
        config = {"global": every, "rule_files": ["alerts.yml"], "scrape_configs": [scrape]}
        (directory / "alerts.yml").write_text(rules)
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))

    def _launch(self, port: int) -> Process:
        command = [
            str(self._program),
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        process = Process(command, self._directory / "prometheus.log")
        process.wait_until(lambda: self._answers(port), timeout=60)
        return process

    def _answers(self, port: int) -> bool:
        try:
            return bool(_get(port, "/-/ready"))
        except OSError:
            return False

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        alerts = json.loads(_get(self.port, "/api/v1/alerts"))["data"]["alerts"]
        return {it["labels"]["alertname"] for it in alerts if it["state"] == "firing"}

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is now."""
        answer = _get(self.port, f"/api/v1/query?query={urllib.parse.quote(expression)}")
        found: list[dict[str, Any]] = json.loads(answer)["data"]["result"]
        return found


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
        return body
