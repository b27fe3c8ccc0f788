/* The load client on HTTP long-polling: every Engine.IO 4 client has one keep-alive connection for its polls and
 * one for its posts, as a browser would. Told on stdin what to do, as load.c is:
 *
 *   polling PORT
 *     connect N ROOMS   open N clients; client i joins room "r<i mod ROOMS>"; at most 50 at a time
 *     room K W          client 0 posts K events to room r0 with W under way; wait for every delivery
 *     pairs K W         client i posts to its partner's room, W pairs under way; an operation ends when a poll has
 *                       brought the ack and one of the partner's the event (use with ROOMS = N / 2)
 *
 * Answers one line each: "ok ALIVE CPU", as load.c does. An answer other than 200 ends it.
 */
#include "client.h"

struct link {
  int fd, held, busy;
  char *rest;
};
enum { POLLS, POSTS };
enum state { OPENING, CONNECTING, JOINING, READY };
struct client {
  int room, waiting, acked, delivered, due;
  enum state state;
  struct link links[2];
  char sid[64], outbox[4096];
};

static struct client *clients;
static int count, rooms, port, poller, ready, opening;
static long delivered, finished;
static char buffer[1 << 20];

static void dial(int i, int side) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = 2 * i + side};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0) die("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (void *)&address, sizeof address) < 0) die("connect");
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  clients[i].links[side].fd = fd;
}

/* Send a request, with a body if there is one. */
static void request(struct client *client, int side, const char *body, int size) {
  static char text[8192];
  struct link *link = &client->links[side];
  int length = snprintf(text, sizeof text,
                        "%s /socket.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\n"
                        "Accept: */*\r\n",
                        body ? "POST" : "GET", client->sid[0] ? "&sid=" : "", client->sid);
  if (body)
    length += snprintf(text + length, sizeof text - length,
                       "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", size, body);
  else length += snprintf(text + length, sizeof text - length, "\r\n");
  if (write(link->fd, text, length) != length) die("short write");
  link->busy = 1;
}

static void post_due(struct client *client) {
  if (client->links[POSTS].busy || !client->due) return;
  request(client, POSTS, client->outbox, client->due);
  client->due = 0;
}

/* Post a packet now, or with the next post if one is under way. */
static void post(struct client *client, const char *packet) {
  char *end = client->outbox + client->due;
  client->due += snprintf(end, sizeof client->outbox - client->due, "%s%s", client->due ? "\x1e" : "", packet);
  if (client->due >= (int)sizeof client->outbox) die("too many packets wait");
  post_due(client);
}

static void post_event(struct client *client, const char *prefix, int room) {
  char body[512], packet[600];
  snprintf(body, sizeof body, BODY, room, "");
  snprintf(packet, sizeof packet, "%s,%s]", prefix, body);
  post(client, packet);
}

static void end_pair(struct client *client) {
  if (client->waiting && client->acked && client->delivered) {
    client->waiting = 0;
    finished++;
  }
}

static void on_open(struct client *client, const char *packet) {
  const char *sid = strstr(packet, "\"sid\":\"");
  if (!sid || sscanf(sid + 7, "%63[^\"]", client->sid) != 1) die("no session id");
  post(client, "40{\"token\":\"good\"}");
  client->state = CONNECTING;
}

static void on_packet(struct client *client, const char *packet) {
  char join[64];
  if (packet[0] == '0') on_open(client, packet);
  else if (packet[0] == '2') post(client, "3");
  else if (packet[0] != '4') return;
  else if (packet[1] == '0') {
    snprintf(join, sizeof join, "420[\"join\",\"r%d\"]", client->room);
    post(client, join);
    client->state = JOINING;
  } else if (client->state == JOINING && packet[1] == '3') {
    client->state = READY;
    ready++;
    opening--;
  } else if (packet[1] == '3') {
    client->acked = 1;
    end_pair(client);
  } else if (packet[1] == '2') {
    delivered++;
    struct client *sender = &clients[client->room];
    sender->delivered = 1;
    end_pair(sender);
  } else die("refused");
}

static void on_answer(struct client *client, int side, char *body) {
  client->links[side].busy = 0;
  if (side == POSTS) {
    post_due(client);
    return;
  }
  for (char *packet = strtok(body, "\x1e"); packet; packet = strtok(NULL, "\x1e")) on_packet(client, packet);
  request(client, POLLS, NULL, 0);
}

/* Join the chunks of a whole body in place. */
static void join_chunks(char *body) {
  char *to = body, *data;
  for (long size; (size = strtol(body, &data, 16)); to += size, body = data + 2 + size + 2) memmove(to, data + 2, size);
  *to = 0;
}

/* Return the body of the answer in the buffer, or NULL while it is not whole. */
static char *whole_body(int held) {
  char *end = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "\r\ncontent-length:");
  if (!end) return NULL;
  if (strncmp(buffer, "HTTP/1.1 200", 12)) die(buffer);
  char *body = end + 4;
  if (length && length < end) return body + atoi(length + 17) == buffer + held ? body : NULL;
  if (strcmp(buffer + held - 7, "\r\n0\r\n\r\n")) return NULL;
  join_chunks(body);
  return body;
}

static void on_readable(struct client *client, int side) {
  struct link *link = &client->links[side];
  if (link->held) memcpy(buffer, link->rest, link->held);
  ssize_t size = read(link->fd, buffer + link->held, sizeof buffer - link->held - 1);
  if (size <= 0) die("connection closed");
  link->held += size;
  buffer[link->held] = 0;
  char *body = whole_body(link->held);
  if (body) {
    link->held = 0;
    on_answer(client, side, body);
  } else link->rest = memcpy(realloc(link->rest, link->held), buffer, link->held);
}

static void pump(int timeout) {
  struct epoll_event events[512];
  int found = epoll_wait(poller, events, 512, timeout);
  for (int i = 0; i < found; i++) on_readable(&clients[events[i].data.u32 / 2], events[i].data.u32 % 2);
}

static void do_connect(void) {
  clients = calloc(count, sizeof *clients);
  ready = opening = 0;
  for (int next = 0; ready < count && in_time(); pump(1000))
    for (; opening < 50 && next < count; next++, opening++) {
      clients[next].room = next % rooms;
      dial(next, POLLS);
      dial(next, POSTS);
      request(&clients[next], POLLS, NULL, 0);
    }
}

static void do_room(long events, long window) {
  long sent = 0, members = (count + rooms - 1) / rooms;
  delivered = 0;
  while (delivered < events * members && in_time()) {
    for (; sent < events && sent - delivered / members < window; sent++) post_event(&clients[0], "42[\"room\"", 0);
    pump(1000);
  }
}

static void do_pairs(long operations, long window) {
  long started = 0, next = 0;
  finished = 0;
  while (finished < operations && in_time()) {
    while (started < operations && started - finished < window) {
      struct client *client = &clients[next++ % rooms];
      if (client->waiting) continue;
      client->waiting = 1;
      client->acked = client->delivered = 0;
      post_event(client, "421[\"pair\"", client->room);
      started++;
    }
    pump(1000);
  }
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
    printf("ok %d %.0f\n", ready, 1e3 * (milliseconds(CLOCK_PROCESS_CPUTIME_ID) - before));
    fflush(stdout);
  }
  return 0;
}
