#include "workers/snapshot.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "common/base/xalloc.h"
#include "common/ipc/message.h"

#define SNAPSHOT_MAX_BYTES ((size_t)16 * 1024 * 1024)

static json_t *read_text(void)
{
    struct buf text = {0};
    json_t *root = NULL;
    if (fdio_read_fd(WORKER_FD_SNAPSHOT, SNAPSHOT_MAX_BYTES, &text) == 0)
        root = json_loadb(text.data ? text.data : "", text.len, 0, NULL);
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_free(&text);
    close(WORKER_FD_SNAPSHOT);
    return root;
}

static void set_cloexec(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
        fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static void take_descriptors(struct snapshot *s)
{
    const json_t *list = json_object_get(s->process, "listeners");
    s->listener_count = json_array_size(list);
    s->listeners = xcalloc(s->listener_count + 1, sizeof(*s->listeners));
    for (size_t i = 0; i < s->listener_count; i++) {
        const json_t *one = json_array_get(list, i);
        s->listeners[i].fd = (int)json_integer_value(json_object_get(one, "fd"));
        s->listeners[i].address = json_string_value(json_object_get(one, "address"));
        assert(s->listeners[i].address);
        set_cloexec(s->listeners[i].fd);
    }
    for (int fd = WORKER_FD_CHANNEL; fd <= WORKER_FD_HEALTH; fd++)
        set_cloexec(fd);
    const json_t *lock = json_object_get(s->process, "lock_fd");
    if (json_is_integer(lock) && json_integer_value(lock) >= 0)
        set_cloexec((int)json_integer_value(lock));
}

int snapshot_take(struct snapshot *s)
{
    s->root = read_text();
    s->process = json_object_get(s->root, "process");
    s->conf = json_object_get(s->root, "conf");
    s->name = json_string_value(json_object_get(s->process, "name"));
    if (!json_is_object(s->conf) || !s->name ||
        !json_is_integer(json_object_get(s->process, "slot")))
        return -1;
    take_descriptors(s);
    return 0;
}
