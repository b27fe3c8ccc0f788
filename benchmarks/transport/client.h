/* What the two load clients share: the event they send, the clock, and the end of what takes too long. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *BODY =
    "{\"room\":\"r%d\",\"client_message_id\":\"0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b\",\"sender_id\":\"user-000042\","
    "\"created_at\":\"2026-01-01T00:00:00.000Z\",\"body\":\"the quick brown fox jumps over the lazy dog, twice%s\"}";

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double milliseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Every loop that waits for the server ends in a minute. */
static double deadline;
static int in_time(void) {
  if (milliseconds(CLOCK_MONOTONIC) > deadline) die("no progress within a minute");
  return 1;
}
