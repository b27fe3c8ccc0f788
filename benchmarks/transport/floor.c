/* The floor: the least that any server does for the load client, a loop of read() and send() and nothing else.
 *
 *   floor SECONDS   prints its port; speaks just enough of the protocol for load.c, parses no JSON, checks nothing;
 *                   pings each client once in so many seconds, and does not look whether it answers
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX = 20000, TURNS = 32 };
static int rooms[MAX], open_fds[MAX], upgraded[MAX], last;
static unsigned char buffer[1 << 20];

static void send_text(int fd, const char *text, int size) {
  unsigned char frame[4096];
  int head = size < 126 ? 2 : 4;
  frame[0] = 0x81;
  frame[1] = size < 126 ? size : 126;
  if (size >= 126) {
    frame[2] = size >> 8;
    frame[3] = size;
  }
  memcpy(frame + head, text, size);
  send(fd, frame, head + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void broadcast(int room, int skip, const char *text, int size) {
  unsigned char frame[4096] = {0x81, 126, size >> 8, size};
  memcpy(frame + 4, text, size);
  for (int fd = 0; fd <= last; fd++)
    if (open_fds[fd] && rooms[fd] == room && fd != skip) send(fd, frame, size + 4, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_text(int fd, char *text, int size) {
  text[size] = 0;
  if (!strncmp(text, "40", 2)) {
    send_text(fd, "40{\"sid\":\"0123456789abcdefghij\"}", 32);
  } else if (!strncmp(text, "420[\"join\"", 10)) {
    rooms[fd] = atoi(strstr(text, "\"r") + 2);
    send_text(fd, "430[]", 5);
  } else if (!strncmp(text, "42[\"room\"", 9)) {
    broadcast(atoi(strstr(text, ":\"r") + 3), -1, text, size);
  } else if (!strncmp(text, "421[\"pair\"", 10)) {
    send_text(fd, "431[{\"ok\":true}]", 16);
    memmove(text + 2, text + 3, size - 2);
    broadcast(atoi(strstr(text, ":\"r") + 3), fd, text, size - 1);
  }
}

static void on_readable(int fd) {
  ssize_t size = read(fd, buffer, sizeof buffer - 1), at = 0;
  if (size <= 0) {
    close(fd);
    open_fds[fd] = upgraded[fd] = 0;
    return;
  }
  if (!upgraded[fd]) {
    const char *head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    const char *hello = "0{\"sid\":\"0123456789abcdefghij\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}";
    send(fd, head, strlen(head), MSG_NOSIGNAL);
    send_text(fd, hello, strlen(hello));
    upgraded[fd] = 1;
    return;
  }
  while (size - at >= 6) { /* the load client's frames arrive whole */
    int length = buffer[at + 1] & 127, head = 2;
    if (length == 126) {
      length = buffer[at + 2] << 8 | buffer[at + 3];
      head = 4;
    }
    unsigned char *mask = buffer + at + head, *text = mask + 4, after = text[length];
    for (int i = 0; i < length; i++) text[i] ^= mask[i & 3];
    on_text(fd, (char *)text, length);
    text[length] = after;
    at += head + 4 + length;
  }
}

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Ping those whose turn it is: not all at once, as they did not come at once. */
static void ping(int turn) {
  for (int fd = turn; fd <= last; fd += TURNS)
    if (upgraded[fd]) send_text(fd, "2", 1);
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  struct epoll_event events[512], event = {.events = EPOLLIN};
  int listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0), one = 1;
  if (argc != 2) return 2;
  double pause = atof(argv[1]) * 1e3 / TURNS, due = milliseconds() + pause;
  int turn = 0;
  if (bind(listener, (void *)&address, size) || listen(listener, 4096)) return 1;
  getsockname(listener, (void *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  event.data.fd = listener;
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    double left = due - milliseconds();
    int found = epoll_wait(poller, events, 512, left > 0 ? (int)left + 1 : 0);
    if (milliseconds() >= due) {
      ping(turn++ % TURNS);
      due += pause;
    }
    for (int i = 0; i < found; i++) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        on_readable(fd);
        continue;
      }
      fd = accept(listener, NULL, NULL);
      if (fd < 0 || fd >= MAX) return 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      if (fd > last) last = fd;
      open_fds[fd] = 1;
      event.data.fd = fd;
      epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
  }
}
