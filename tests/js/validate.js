// Hold the two documents against what those who made the formats check: node validate.js OPENAPI ASYNCAPI
//
// Prints a JSON list of problems, each {document, rule, where, message}.

import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { createConfig, lintFromString } from "@redocly/openapi-core";

const [openapi, asyncapi] = process.argv.slice(2);
const problems = [];

// Requests are closed by schemas of their own; Redocly would close the parts of an `if` too.
const open = { severity: "error", allowAdditionalProperties: true };
const config = await createConfig({ extends: ["recommended"], rules: { "no-invalid-media-type-examples": open } });
const source = readFileSync(openapi, "utf8");
for (const { ruleId, message, location } of await lintFromString({ source, absoluteRef: openapi, config })) {
  problems.push({ document: "openapi", rule: ruleId, where: location[0]?.pointer, message });
}

// 3.0 is what the tools read; that there is a 3.1 is no problem.
const accepted = new Set(["asyncapi-latest-version"]);
for (const { code, message, path } of await new Parser().validate(readFileSync(asyncapi, "utf8"))) {
  if (!accepted.has(code)) problems.push({ document: "asyncapi", rule: code, where: path.join("/"), message });
}
console.log(JSON.stringify(problems));
