/* Times a compiled ResNet-18 on one thread: the median of ROUNDS runs, in time of the processor, so
 * that other work on the machine does not count. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "resnet18.h"

enum { INPUT = 224 * 224 * 3, CLASSES = 1000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *aligned(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (!p) exit(1);
    return p;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    if (rounds < 1 || rounds > 1000) return 2;
    void *state = aligned(resnet18_state_bytes());
    void *workspace = aligned(resnet18_workspace_bytes());
    float *image = aligned(INPUT * sizeof *image);
    float *scores = aligned(CLASSES * sizeof *scores);
    double times[1000];
    uint32_t random = 1;
    for (int i = 0; i < INPUT; i++) {
        random = random * 1664525u + 1013904223u;
        image[i] = (float)(random >> 8) / (float)(1 << 23) - 1.0f;
    }
    double start = now();
    resnet18_init(state);
    double init = now() - start;
    for (int i = -2; i < rounds; i++) {
        start = now();
        if (resnet18_run(state, image, scores, workspace, NULL) != 0) return 1;
        if (i >= 0) times[i] = now() - start;
    }
    qsort(times, (size_t)rounds, sizeof *times, compare);
    printf("%8.2f ms  (fastest %.2f, init %.1f)\n", times[rounds / 2], times[0], init);
    return 0;
}
