/* A program around a compiled model: reads images, runs the model on each, and reports the accuracy.
 *
 *   digits IMAGES.npy LABELS.npy [--threads N] [--logits FILE]
 *
 * Only the generated header and object are needed; the model itself calls nothing, not even libc.
 * The printed checksum is FNV-1a over the bytes of all logits: equal on every CPU and for any
 * number of threads.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn.h"

enum { PIXELS = 8 * 8, CLASSES = 10, MAX_THREADS = 64 };

/* ---- parallel_for on POSIX threads: n is cut into as many ranges as there are threads ---- */

struct range {
    void (*body)(void *ctx, size_t begin, size_t end);
    void *ctx;
    size_t begin, end;
};

static void *run_range(void *argument) {
    const struct range *r = argument;
    r->body(r->ctx, r->begin, r->end);
    return NULL;
}

static void parallel_for(void *pool, size_t n,
                         void (*body)(void *ctx, size_t begin, size_t end), void *ctx) {
    size_t threads = *(const size_t *)pool;
    pthread_t handles[MAX_THREADS];
    struct range ranges[MAX_THREADS];
    int started[MAX_THREADS];
    for (size_t t = 0; t < threads; t++) {
        ranges[t] = (struct range){body, ctx, n * t / threads, n * (t + 1) / threads};
        started[t] = t + 1 < threads &&
                     pthread_create(&handles[t], NULL, run_range, &ranges[t]) == 0;
        if (!started[t]) run_range(&ranges[t]);
    }
    for (size_t t = 0; t < threads; t++)
        if (started[t]) pthread_join(handles[t], NULL);
}

/* ---- input ---- */

static void fail(const char *what, const char *file) {
    fprintf(stderr, "digits: %s: %s\n", file, what);
    exit(1);
}

/* Reads a little-endian, C-ordered .npy file whose header holds `descr`; gives its data. */
static void *read_npy(const char *file, const char *descr, size_t *bytes) {
    FILE *f = fopen(file, "rb");
    if (!f) fail("cannot be opened", file);
    unsigned char start[12];
    char header[4096];
    if (fread(start, 1, 10, f) != 10 || memcmp(start, "\x93NUMPY", 6) != 0)
        fail("is no .npy file", file);
    size_t length = start[8] | (size_t)start[9] << 8;
    if (start[6] != 1 || length >= sizeof header || fread(header, 1, length, f) != length)
        fail("has a header this program does not read", file);
    header[length] = 0;
    if (!strstr(header, descr) || strstr(header, "'fortran_order': True"))
        fail("has another element type or order than wanted", file);
    size_t capacity = 1 << 16;
    char *data = NULL;
    *bytes = 0;
    for (;;) {
        char *larger = realloc(data, capacity);
        if (!larger) fail("is too large", file);
        data = larger;
        size_t got = fread(data + *bytes, 1, capacity - *bytes, f);
        *bytes += got;
        if (*bytes < capacity) break;
        capacity *= 2;
    }
    fclose(f);
    return data;
}

static void *aligned(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (!p) {
        fprintf(stderr, "digits: out of memory\n");
        exit(1);
    }
    return p;
}

int main(int argc, char **argv) {
    const char *logits_file = NULL;
    size_t threads = 1;
    if (argc < 3) {
        fprintf(stderr, "usage: digits IMAGES.npy LABELS.npy [--threads N] [--logits FILE]\n");
        return 2;
    }
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0) threads = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--logits") == 0) logits_file = argv[i + 1];
    }
    if (threads < 1 || threads > MAX_THREADS) threads = 1;

    size_t image_bytes, label_bytes;
    const float *images = read_npy(argv[1], "<f4", &image_bytes);
    const int64_t *labels = read_npy(argv[2], "<i8", &label_bytes);
    size_t count = label_bytes / sizeof *labels;
    if (image_bytes != count * PIXELS * sizeof *images) fail("does not have one image per label", argv[1]);

    void *state = aligned(cnn_state_bytes());
    void *workspace = aligned(cnn_workspace_bytes());
    cnn_init(state);

    struct hlac_parallel parallel = {&threads, parallel_for};
    FILE *out = logits_file ? fopen(logits_file, "wb") : NULL;
    if (logits_file && !out) fail("cannot be written", logits_file);
    size_t correct = 0;
    uint64_t checksum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        float logits[CLASSES];
        if (cnn_run(state, images + i * PIXELS, logits, workspace, threads > 1 ? &parallel : NULL) != 0)
            fail("the model refused an index", argv[1]);
        int best = 0;
        for (int c = 1; c < CLASSES; c++)
            if (logits[c] > logits[best]) best = c;
        correct += best == labels[i];
        for (size_t b = 0; b < sizeof logits; b++)
            checksum = (checksum ^ ((const unsigned char *)logits)[b]) * 0x100000001b3u;
        if (out && fwrite(logits, sizeof logits, 1, out) != 1) fail("cannot be written", logits_file);
    }
    if (out && fclose(out) != 0) fail("cannot be written", logits_file);
    printf("accuracy %.2f %% (%zu of %zu), checksum %016llx\n", 100.0 * (double)correct / (double)count,
           correct, count, (unsigned long long)checksum);
    return 0;
}
