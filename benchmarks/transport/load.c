/* A load client: many Engine.IO 4 websockets in one thread, told on stdin what to do.
 *
 *   load PORT
 *     connect N ROOMS   open N connections; connection i joins room "r<i mod ROOMS>"; at most 50 at a time
 *     room K W          connection 0 sends K events to room r0 with W under way; wait for every delivery
 *     pairs K W         connection i sends to its partner's room, W pairs under way; an operation ends when the
 *                       ack is back and the partner has the event (use with ROOMS = N / 2)
 *     idle MS           answer pings for that long
 *     stall K           connection 1 stops reading while connection 0 sends K events of 1 kB to room r0
 *     close             close everything
 *
 * Answers one line each: "ok ALIVE CPU", the client's own processor time in microseconds. It checks only what it
 * counts; correctness is the tests' matter.
 */
#include "client.h"

enum state { CONNECTING, UPGRADING, OPENING, JOINING, READY, DEAD };
struct conn {
  int fd, room, held, waiting, acked, delivered;
  enum state state;
  unsigned char *rest;
};

static struct conn *conns;
static int count, rooms, port, poller, ready, dead, opening;
static long delivered, acks, finished;
static unsigned char buffer[1 << 20];

static void send_text(struct conn *conn, const char *text, int size) {
  unsigned char frame[4096];
  int head = size < 126 ? 2 : 4;
  frame[0] = 0x81;
  if (size < 126) {
    frame[1] = 0x80 | size;
  } else {
    frame[1] = 0x80 | 126;
    frame[2] = size >> 8;
    frame[3] = size;
  }
  memcpy(frame + head, "\x12\x34\x56\x78", 4);
  for (int i = 0; i < size; i++) frame[head + 4 + i] = text[i] ^ "\x12\x34\x56\x78"[i & 3];
  if (write(conn->fd, frame, head + 4 + size) != head + 4 + size) die("short write");
}

static void send_event(struct conn *conn, const char *prefix, int room, int long_one) {
  static char filling[901], body[2048], text[2300];
  if (!filling[0]) memset(filling, 'x', 900);
  snprintf(body, sizeof body, BODY, room, long_one ? filling : "");
  send_text(conn, text, snprintf(text, sizeof text, "%s,%s]", prefix, body));
}

static void open_conn(int i) {
  struct conn *conn = &conns[i];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memset(conn, 0, sizeof *conn);
  conn->room = i % rooms;
  conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (conn->fd < 0) die("socket");
  setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(conn->fd, (void *)&address, sizeof address) < 0 && errno != EINPROGRESS) die("connect");
  struct epoll_event event = {.events = EPOLLOUT, .data.u32 = i};
  epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event);
  opening++;
}

static void end_pair(struct conn *conn) {
  if (conn->waiting && conn->acked && conn->delivered) {
    conn->waiting = 0;
    finished++;
  }
}

static void on_message(struct conn *conn, const unsigned char *text, int size) {
  char join[64];
  if (size == 1 && text[0] == '2') {
    send_text(conn, "3", 1);
    return;
  }
  switch (conn->state) {
    case OPENING:
      send_text(conn, "40{\"token\":\"good\"}", 18);
      conn->state = JOINING;
      break;
    case JOINING:
      if (text[1] == '0') {
        send_text(conn, join, snprintf(join, sizeof join, "420[\"join\",\"r%d\"]", conn->room));
      } else if (text[1] == '3') {
        conn->state = READY;
        ready++;
        opening--;
      }
      break;
    case READY:
      if (text[1] == '3') {
        acks++;
        conn->acked = 1;
        end_pair(conn);
      } else if (text[1] == '2') {
        delivered++;
        struct conn *sender = &conns[conn->room];
        sender->delivered = 1;
        end_pair(sender);
      }
      break;
    default:
      break;
  }
}

static void kill_conn(struct conn *conn) {
  if (conn->state == READY) ready--;
  conn->state = DEAD;
  dead++;
  close(conn->fd);
  conn->fd = -1;
}

static void on_readable(struct conn *conn) {
  int held = conn->held, at = 0;
  if (held) memcpy(buffer, conn->rest, held);
  ssize_t size = read(conn->fd, buffer + held, sizeof buffer - held - 1);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) {
    kill_conn(conn);
    return;
  }
  held += size;
  if (conn->state == UPGRADING) {
    buffer[held] = 0;
    char *end = strstr((char *)buffer, "\r\n\r\n");
    if (end) {
      if (strncmp((char *)buffer, "HTTP/1.1 101", 12)) die("no upgrade");
      at = end + 4 - (char *)buffer;
      conn->state = OPENING;
    }
  }
  while (conn->state != UPGRADING && held - at >= 2) {
    int length = buffer[at + 1] & 127, head = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (held - at < head) break;
    if (length == 126) length = buffer[at + 2] << 8 | buffer[at + 3];
    else if (length == 127) length = buffer[at + 6] << 24 | buffer[at + 7] << 16 | buffer[at + 8] << 8 | buffer[at + 9];
    if (held - at < head + length) break;
    if ((buffer[at] & 15) == 8) {
      kill_conn(conn);
      return;
    }
    if ((buffer[at] & 15) == 1) on_message(conn, buffer + at + head, length);
    at += head + length;
  }
  conn->held = held - at;
  free(conn->rest);
  conn->rest = conn->held ? memcpy(malloc(conn->held), buffer + at, conn->held) : NULL;
}

static void pump(int timeout) {
  struct epoll_event events[512];
  char request[256];
  int found = epoll_wait(poller, events, 512, timeout);
  for (int i = 0; i < found; i++) {
    struct conn *conn = &conns[events[i].data.u32];
    if (conn->fd < 0) continue;
    if (conn->state != CONNECTING) {
      on_readable(conn);
      continue;
    }
    int size = snprintf(request, sizeof request,
                        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\nUser-Agent: load\r\n\r\n");
    if (write(conn->fd, request, size) != size) die("request");
    conn->state = UPGRADING;
    events[i].events = EPOLLIN;
    epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &events[i]);
  }
}

static void do_connect(void) {
  conns = calloc(count, sizeof *conns);
  ready = dead = opening = 0;
  for (int next = 0; ready < count && in_time(); pump(1000))
    while (opening < 50 && next < count) open_conn(next++);
}

static void do_room(long events, long window) {
  long sent = 0, members = (count + rooms - 1) / rooms;
  delivered = 0;
  while (delivered < events * members && in_time()) {
    for (; sent < events && sent - delivered / members < window; sent++) send_event(&conns[0], "42[\"room\"", 0, 0);
    pump(1000);
  }
}

static void do_pairs(long operations, long window) {
  long started = 0, next = 0;
  finished = 0;
  while (finished < operations && in_time()) {
    while (started < operations && started - finished < window) {
      struct conn *conn = &conns[next++ % rooms];
      if (conn->waiting) continue;
      conn->waiting = 1;
      conn->acked = conn->delivered = 0;
      send_event(conn, "421[\"pair\"", conn->room, 0);
      started++;
    }
    pump(1000);
  }
}

static void do_stall(long events) {
  long sent = 0, members = count - 1;
  epoll_ctl(poller, EPOLL_CTL_DEL, conns[1].fd, NULL);
  delivered = 0;
  while (delivered < events * members && in_time()) {
    for (; sent < events && sent - delivered / members < 20; sent++) send_event(&conns[0], "42[\"room\"", 0, 1);
    pump(1000);
  }
}

static void do_idle(long time) {
  double end = milliseconds(CLOCK_MONOTONIC) + time;
  while (milliseconds(CLOCK_MONOTONIC) < end) pump(50);
}

static void do_close(void) {
  for (int i = 0; i < count; i++)
    if (conns[i].fd >= 0) close(conns[i].fd);
  free(conns);
  count = ready = 0;
}

int main(int argc, char **argv) {
  char line[256], name[32];
  signal(SIGPIPE, SIG_IGN);
  if (argc != 2) return 2;
  port = atoi(argv[1]);
  poller = epoll_create1(0);
  while (fgets(line, sizeof line, stdin)) {
    long first = 0, second = 0;
    double before = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
    sscanf(line, "%31s %ld %ld", name, &first, &second);
    deadline = milliseconds(CLOCK_MONOTONIC) + 60e3;
    if (!strcmp(name, "connect")) {
      count = first;
      rooms = second;
      do_connect();
    } else if (!strcmp(name, "room")) do_room(first, second);
    else if (!strcmp(name, "pairs")) do_pairs(first, second);
    else if (!strcmp(name, "stall")) do_stall(first);
    else if (!strcmp(name, "idle")) do_idle(first);
    else if (!strcmp(name, "close")) do_close();
    printf("ok %d %.0f\n", ready, 1e3 * (milliseconds(CLOCK_PROCESS_CPUTIME_ID) - before));
    fflush(stdout);
  }
  return 0;
}
