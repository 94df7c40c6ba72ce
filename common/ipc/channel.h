#ifndef COMMON_IPC_CHANNEL_H
#define COMMON_IPC_CHANNEL_H

#include <jansson.h>
#include <stdbool.h>

/* One end of the channel between supervisor and worker: an AF_UNIX SOCK_SEQPACKET socket, one JSON
 * object a packet, at most CHANNEL_PACKET_BYTES, with "t" naming its kind (message.h). */
struct channel;
struct event_base;

#define CHANNEL_PACKET_BYTES 16384

struct channel_callbacks {
    /* msg is borrowed for the call. fd is a descriptor that came with the packet and is now the
     * callee's to close, or -1. */
    void (*message)(void *arg, const json_t *msg, int fd);
    /* The other end is gone or broke the protocol: why says which. Called once, last; the channel
     * may be freed from inside it. */
    void (*closed)(void *arg, const char *why);
};

/* Makes a connected pair, close-on-exec and non-blocking. 0, or -1 with errno. */
int channel_pair(int fds_out[2]) __attribute__((warn_unused_result));

/* Takes over fd. callbacks must outlive the channel. */
struct channel *channel_new(struct event_base *base, int fd,
                            const struct channel_callbacks *callbacks, void *arg);
void channel_free(struct channel *c);

/* Queues msg (the reference is stolen) and writes what the socket takes; the rest goes when there
 * is room, in order. fd >= 0 is duplicated and passed along (SCM_RIGHTS). A packet over the limit
 * is our bug and asserts. More than 1,024 queued packets close the channel ("reader is stuck"). */
void channel_send(struct channel *c, json_t *msg, int fd);

/* As channel_send, but a message of the same kind that still waits is replaced by this one: for
 * beats, of which only the newest matters. */
void channel_send_latest(struct channel *c, json_t *msg);

#endif
