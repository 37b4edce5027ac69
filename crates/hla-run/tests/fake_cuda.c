/* A driver without a GPU, for tests: the functions of libcuda that hla-run calls, by cuda.h of CUDA 12.
 *
 * Device memory is host memory. What is queued on a stream is done only when somebody waits for it, so
 * host memory that is reused too early shows. Kernels are few, and known by name.
 *
 * FAKE_CUDA_VERSION, FAKE_CUDA_INIT, FAKE_CUDA_DEVICES and FAKE_CUDA_BYTES say what the driver and its
 * devices are; FAKE_CUDA_FAULT names a kernel that faults, NAME@N only when it runs
 * for the N-th time. FAKE_CUDA_CAPABILITY is 80 or what else the devices are. Each call that changes
 * anything is a line on the file FAKE_CUDA_LOG.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_PTX = 218, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700 };

typedef int Result;
typedef uint64_t Pointer;

static long number(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

static void say(const char *format, ...) {
  const char *path = getenv("FAKE_CUDA_LOG");
  if (!path) return;
  FILE *file = fopen(path, "a");
  if (!file) return;
  va_list list;
  va_start(list, format);
  vfprintf(file, format, list);
  va_end(list);
  fputc('\n', file);
  fclose(file);
}

Result cuGetErrorString(Result error, const char **text) {
  switch (error) {
  case OUT_OF_MEMORY: *text = "out of memory"; break;
  case 100: *text = "no CUDA-capable device is detected"; break;
  case INVALID_PTX: *text = "a PTX JIT compilation failed"; break;
  case ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; break;
  default: *text = "some error";
  }
  return SUCCESS;
}

Result cuDriverGetVersion(int *version) { *version = (int)number("FAKE_CUDA_VERSION", 12040); return SUCCESS; }
Result cuInit(unsigned flags) { return flags ? INVALID_VALUE : (Result)number("FAKE_CUDA_INIT", 0); }
Result cuDeviceGetCount(int *count) { *count = (int)number("FAKE_CUDA_DEVICES", 1); return SUCCESS; }
Result cuDeviceGet(int *device, int ordinal) { *device = 40 + ordinal; return SUCCESS; }
Result cuDeviceGetName(char *name, int length, int device) {
  snprintf(name, (size_t)length, "Fake GPU %d", device - 40);
  return SUCCESS;
}
static size_t all_bytes(void) { return (size_t)number("FAKE_CUDA_BYTES", 1 << 30); }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = all_bytes(); return SUCCESS; }
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  switch (attribute) {
  case 75: *value = (int)number("FAKE_CUDA_CAPABILITY", 80) / 10; return SUCCESS;
  case 76: *value = (int)number("FAKE_CUDA_CAPABILITY", 80) % 10; return SUCCESS;
  case 97: *value = 166912; return SUCCESS; /* shared memory of a block */
  default: return INVALID_VALUE;
  }
}

static int contexts;
Result cuDevicePrimaryCtxRetain(void **context, int device) { contexts++; *context = (void *)(uintptr_t)device; return SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int device) { say("release %d", device - 40); contexts--; return SUCCESS; }
Result cuCtxSetCurrent(void *context) { return context && contexts > 0 ? SUCCESS : INVALID_VALUE; }

static size_t used_bytes;
struct Block { struct Block *next; uint8_t *memory; size_t bytes; };
static struct Block *blocks;

Result cuMemGetInfo_v2(size_t *free_bytes, size_t *total) { *total = all_bytes(); *free_bytes = *total - used_bytes; return SUCCESS; }
Result cuMemAlloc_v2(Pointer *address, size_t bytes) {
  if (!bytes) return INVALID_VALUE;
  if (bytes > all_bytes() - used_bytes) return OUT_OF_MEMORY;
  struct Block *block = malloc(sizeof *block);
  size_t size = (bytes + 255) / 256 * 256;
  *block = (struct Block){blocks, aligned_alloc(256, size), bytes};
  memset(block->memory, 0xa5, size);
  blocks = block;
  used_bytes += bytes;
  *address = (Pointer)(uintptr_t)block->memory;
  return SUCCESS;
}
Result cuMemFree_v2(Pointer address) {
  for (struct Block **at = &blocks; *at; at = &(*at)->next)
    if ((*at)->memory == (uint8_t *)(uintptr_t)address) {
      struct Block *block = *at;
      used_bytes -= block->bytes;
      *at = block->next;
      free(block->memory);
      free(block);
      say("free");
      return SUCCESS;
    }
  return INVALID_VALUE;
}
Result cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  (void)flags;
  *pointer = malloc(bytes);
  say("pin %zu", bytes);
  return SUCCESS;
}
Result cuMemFreeHost(void *pointer) { free(pointer); return SUCCESS; }

/* The values of option 5 and 6 are a log and its size. */
Result cuModuleLoadDataEx(void **module, const void *image, unsigned options, int *names, void **values) {
  const char *text = image;
  if (options != 2 || names[0] != 5 || names[1] != 6) return INVALID_VALUE;
  if (strstr(text, "nonsense")) {
    snprintf(values[0], (size_t)values[1], "ptxas line 7; syntax error at 'nonsense'");
    return INVALID_PTX;
  }
  *module = strdup(text);
  say("module");
  return SUCCESS;
}
Result cuModuleUnload(void *module) { free(module); say("unload"); return SUCCESS; }

struct Function { char name[64]; int shared; long runs; };
Result cuModuleGetFunction(void **function, void *module, const char *name) {
  char entry[96];
  snprintf(entry, sizeof entry, ".entry %s", name);
  if (!strstr(module, entry)) return NOT_FOUND;
  struct Function *made = calloc(1, sizeof *made); /* lives as long as the process */
  snprintf(made->name, sizeof made->name, "%s", name);
  *function = made;
  return SUCCESS;
}
Result cuFuncSetAttribute(void *function, int attribute, int value) {
  if (attribute != 8) return INVALID_VALUE;
  ((struct Function *)function)->shared = value;
  return SUCCESS;
}

/* What is queued. */
enum Kind { LAUNCH, COPY, FILL };
struct Work { enum Kind kind; struct Function *function; Pointer args[8]; const uint8_t *source; uint8_t *target; size_t bytes; uint8_t byte; };
struct Queue { struct Work *work; size_t length, done; };
static int sticky;

static void push(struct Queue *queue, struct Work work) {
  queue->work = realloc(queue->work, (queue->length + 1) * sizeof work);
  queue->work[queue->length++] = work;
}

static void run(const struct Work *work) {
  if (sticky) return;
  if (work->kind == COPY) { memcpy(work->target, work->source, work->bytes); return; }
  if (work->kind == FILL) { memset(work->target, work->byte, work->bytes); return; }
  const char *name = work->function->name, *fault = getenv("FAKE_CUDA_FAULT");
  work->function->runs++;
  if (fault && !strncmp(name, fault, strlen(name))) {
    const char *rest = fault + strlen(name);
    if (!*rest || (*rest == '@' && atol(rest + 1) == work->function->runs)) { sticky = ILLEGAL_ADDRESS; return; }
  }
  float *a = (float *)(uintptr_t)work->args[0], *b = (float *)(uintptr_t)work->args[1], *c = (float *)(uintptr_t)work->args[2];
  if (!strcmp(name, "scale")) for (int i = 0; i < 64; i++) c[i] = a[i] * b[0];
  if (!strcmp(name, "add")) for (int i = 0; i < 64; i++) c[i] = a[i] + b[i];
  if (!strcmp(name, "sum")) { float sum = 0; for (int i = 0; i < 64; i++) sum += a[i]; b[0] = sum; }
}

static Result drain(struct Queue *queue, size_t until) {
  for (; queue->done < until; queue->done++) run(&queue->work[queue->done]);
  return sticky;
}

struct Stream { struct Queue queue; int capturing; struct Queue captured; };
static struct Queue *place(struct Stream *stream) { return stream->capturing ? &stream->captured : &stream->queue; }

Result cuStreamCreate(void **stream, unsigned flags) { if (flags != 1) return INVALID_VALUE; *stream = calloc(1, sizeof(struct Stream)); return SUCCESS; }
Result cuStreamDestroy_v2(void *stream) { drain(&((struct Stream *)stream)->queue, ((struct Stream *)stream)->queue.length); free(stream); say("stream gone"); return SUCCESS; }
Result cuStreamSynchronize(void *handle) { struct Stream *stream = handle; return drain(&stream->queue, stream->queue.length); }

/* `add` and `scale` take three addresses, `sum` two. */
Result cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, void *stream, void **params, void **extra) {
  struct Work work = {.kind = LAUNCH, .function = function};
  if (extra || !gx || !gy || !gz || !bx || !by || !bz || (int)shared > work.function->shared) return INVALID_VALUE;
  int count = strcmp(work.function->name, "sum") ? 3 : 2;
  for (int i = 0; i < count; i++) work.args[i] = *(Pointer *)params[i];
  if (!((struct Stream *)stream)->capturing) say("launch %s", work.function->name);
  push(place(stream), work);
  if (sticky) return sticky;
  return SUCCESS;
}
static Result copy(void *stream, uint8_t *target, const uint8_t *source, size_t bytes) {
  push(place(stream), (struct Work){.kind = COPY, .source = source, .target = target, .bytes = bytes});
  return sticky;
}
Result cuMemcpyDtoDAsync_v2(Pointer target, Pointer source, size_t bytes, void *stream) {
  return copy(stream, (uint8_t *)(uintptr_t)target, (uint8_t *)(uintptr_t)source, bytes);
}
Result cuMemcpyHtoDAsync_v2(Pointer target, const void *source, size_t bytes, void *stream) {
  if (((struct Stream *)stream)->capturing) return INVALID_VALUE;
  return copy(stream, (uint8_t *)(uintptr_t)target, source, bytes);
}
Result cuMemcpyDtoHAsync_v2(void *target, Pointer source, size_t bytes, void *stream) {
  if (((struct Stream *)stream)->capturing) return INVALID_VALUE;
  return copy(stream, target, (uint8_t *)(uintptr_t)source, bytes);
}
Result cuMemsetD8Async(Pointer target, unsigned char byte, size_t bytes, void *stream) {
  push(place(stream), (struct Work){.kind = FILL, .target = (uint8_t *)(uintptr_t)target, .bytes = bytes, .byte = byte});
  return sticky;
}

Result cuStreamBeginCapture_v2(void *handle, int mode) {
  struct Stream *stream = handle;
  if (stream->capturing || mode != 2) return INVALID_VALUE;
  stream->capturing = 1;
  stream->captured = (struct Queue){0};
  return SUCCESS;
}
Result cuStreamEndCapture(void *handle, void **graph) {
  struct Stream *stream = handle;
  if (!stream->capturing) return INVALID_VALUE;
  stream->capturing = 0;
  struct Queue *made = malloc(sizeof *made);
  *made = stream->captured;
  *graph = made;
  return SUCCESS;
}
Result cuGraphInstantiateWithFlags(void **made, void *graph, unsigned long long flags) {
  if (flags) return INVALID_VALUE;
  const struct Queue *from = graph;
  struct Queue *to = calloc(1, sizeof *to);
  for (size_t i = 0; i < from->length; i++) push(to, from->work[i]);
  *made = to;
  say("graph of %zu", to->length);
  return SUCCESS;
}
Result cuGraphDestroy(void *graph) { free(((struct Queue *)graph)->work); free(graph); return SUCCESS; }
Result cuGraphExecDestroy(void *graph) { free(((struct Queue *)graph)->work); free(graph); say("graph gone"); return SUCCESS; }
Result cuGraphLaunch(void *graph, void *stream) {
  const struct Queue *from = graph;
  say("replay");
  for (size_t i = 0; i < from->length; i++) push(&((struct Stream *)stream)->queue, from->work[i]);
  return sticky;
}

struct Event { struct Stream *stream; size_t at; };
Result cuEventCreate(void **event, unsigned flags) { if (flags != 2) return INVALID_VALUE; *event = calloc(1, sizeof(struct Event)); return SUCCESS; }
Result cuEventRecord(void *event, void *stream) { *(struct Event *)event = (struct Event){stream, ((struct Stream *)stream)->queue.length}; return sticky; }
Result cuEventSynchronize(void *handle) { struct Event *event = handle; return event->stream ? drain(&event->stream->queue, event->at) : SUCCESS; }
Result cuEventDestroy_v2(void *event) { free(event); return SUCCESS; }
