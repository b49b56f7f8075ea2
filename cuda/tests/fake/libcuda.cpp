// A driver of CUDA for tests of the launcher: kernels run in the emulator, memory is the process's.
//
// What a stream is told to do is done only when somebody waits, so what changes too early shows. Contexts have to be current, all memory that is given
// back has to hold zeros, and nothing may be left when the context is released: else the process is aborted.
//
// FAKE_CUDA changes it: a list such as `version=11040,devices=0`; see `option`.
#include "host.cpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <vector>

#define API extern "C" __attribute__((visibility("default"))) int

namespace {

enum { success = 0, invalid_value = 1, out_of_memory = 2, invalid_context = 201, no_binary = 209, bad_ptx = 222, not_found = 500, fault = 700 };
constexpr uint32_t default_shared = 48 << 10;

struct Function {
    std::string name;
    uint32_t shared;
};
struct Task {
    std::function<int()> run;
    const void *event;
};

std::recursive_mutex mutex;
std::map<u64, size_t> memory; // address -> bytes
std::map<void *, size_t> pinned;
std::map<std::string, Function> functions;
std::vector<Task> tasks;
size_t used, events, streams, modules, contexts;
int failed;
thread_local bool current;

long option(const char *name, long otherwise) {
    const char *list = getenv("FAKE_CUDA");
    const char *found = list ? strstr(list, name) : nullptr;
    return found ? atol(found + strlen(name) + 1) : otherwise;
}

[[noreturn]] void wrong(const char *what) {
    fprintf(stderr, "fake driver: %s\n", what);
    abort();
}

bool is_zero(const void *p, size_t bytes) {
    const u8 *b = static_cast<const u8 *>(p);
    return bytes == 0 || (b[0] == 0 && memcmp(b, b + 1, bytes - 1) == 0);
}

bool is_device(u64 at, size_t bytes) {
    auto after = memory.upper_bound(at);
    if (after == memory.begin()) return false;
    auto block = std::prev(after);
    return at + bytes <= block->first + block->second;
}

// Does what is queued up to the mark of an event, or all.
int work(const void *until) {
    size_t end = tasks.size();
    if (until) {
        while (end > 0 && tasks[end - 1].event != until) end--;
    }
    for (size_t i = 0; i < end && !failed; i++)
        if (tasks[i].run) failed = tasks[i].run();
    tasks.erase(tasks.begin(), tasks.begin() + static_cast<long>(end));
    return failed;
}

// For functions that need a context.
int enter() { return !current ? invalid_context : failed; }

void *pointer(u64 address) { return reinterpret_cast<void *>(address); }

} // namespace

#define LOCKED std::lock_guard<std::recursive_mutex> lock(mutex)
#define ENTER                      \
    LOCKED;                        \
    if (int code = enter()) return code

API cuInit(unsigned) { return static_cast<int>(option("init", success)); }
API cuDriverGetVersion(int *version) {
    *version = static_cast<int>(option("version", 12040));
    return success;
}
API cuDeviceGetCount(int *count) {
    *count = static_cast<int>(option("devices", 1));
    return success;
}
API cuDeviceGet(int *device, int number) {
    *device = number;
    return success;
}
API cuDeviceGetName(char *name, int size, int) {
    snprintf(name, static_cast<size_t>(size), "Fake H200");
    return success;
}
API cuDeviceGetAttribute(int *value, int which, int) {
    int capability = static_cast<int>(option("capability", 90));
    if (which == 75) *value = capability / 10;
    else if (which == 76) *value = capability % 10;
    else if (which == 97) *value = 227 << 10;
    else return invalid_value;
    return success;
}
API cuDevicePrimaryCtxRetain(void **context, int) {
    LOCKED;
    contexts++;
    *context = &contexts;
    return success;
}
API cuDevicePrimaryCtxRelease_v2(int) {
    LOCKED;
    if (--contexts > 0) return success;
    if (!failed && (!memory.empty() || !tasks.empty())) wrong("memory or work is left");
    if (events || streams || modules || !pinned.empty()) wrong("an event, a stream, a module or page-locked memory is left");
    failed = 0;
    memory.clear();
    tasks.clear();
    return success;
}
API cuCtxSetCurrent(void *context) {
    current = context != nullptr;
    return success;
}
API cuModuleLoadData(void **module, const void *image) {
    ENTER;
    bool is_cubin = memcmp(image, "\x7f" "ELF", 4) == 0;
    if (is_cubin ? option("capability", 90) != 90 || option("cubin", 1) == 0 : option("ptx", 1) == 0) return is_cubin ? no_binary : bad_ptx;
    fprintf(stderr, "fake driver: loads %s\n", is_cubin ? "a cubin" : "PTX");
    modules++;
    *module = &modules;
    return success;
}
API cuModuleUnload(void *) {
    LOCKED;
    modules--;
    return failed;
}
API cuModuleGetFunction(void **function, void *, const char *name) {
    ENTER;
    if (inferproof_emulator_parameters(name, nullptr, 0) < 0) return not_found;
    *function = &functions.insert({name, Function{name, default_shared}}).first->second;
    return success;
}
API cuFuncGetAttribute(int *value, int, void *) {
    *value = 0;
    return success;
}
API cuFuncSetAttribute(void *function, int, int value) {
    static_cast<Function *>(function)->shared = static_cast<uint32_t>(value);
    return success;
}
API cuFuncGetParamInfo(void *function, size_t index, size_t *offset, size_t *size) {
    uint32_t sizes[32];
    int count = inferproof_emulator_parameters(static_cast<Function *>(function)->name.c_str(), sizes, 32);
    if (index >= static_cast<size_t>(count)) return invalid_value;
    *offset = 0;
    *size = sizes[index];
    return success;
}
API cuLaunchKernel(void *f, uint32_t x, uint32_t y, uint32_t z, uint32_t bx, uint32_t by, uint32_t bz, uint32_t shared, void *, void **arguments, void **) {
    ENTER;
    Function *function = static_cast<Function *>(f);
    if (shared > function->shared || x == 0 || bx == 0 || bx > 1024) return invalid_value;
    uint32_t sizes[32];
    int count = inferproof_emulator_parameters(function->name.c_str(), sizes, 32);
    std::vector<u64> words(32, 0);
    bool is_fault = false;
    for (int i = 0; i < count; i++) {
        memcpy(&words[static_cast<size_t>(i)], arguments[i], sizes[i]);
        is_fault |= sizes[i] == 8 && words[static_cast<size_t>(i)] == 0x10; // the tests' address of nothing
    }
    tasks.push_back({[=]() mutable {
        if (is_fault) return static_cast<int>(fault);
        void *pointers[32];
        for (size_t i = 0; i < 32; i++) pointers[i] = &words[i];
        uint32_t grid[3] = {x, y, z}, block[3] = {bx, by, bz};
        return inferproof_emulator_launch(function->name.c_str(), grid, block, shared, pointers, 0) ? static_cast<int>(fault) : static_cast<int>(success);
    }, nullptr});
    return success;
}
API cuStreamCreate(void **stream, unsigned) {
    ENTER;
    streams++;
    *stream = &streams;
    return success;
}
API cuStreamSynchronize(void *) {
    ENTER;
    return work(nullptr);
}
API cuStreamDestroy_v2(void *) {
    LOCKED;
    streams--;
    return failed;
}
API cuEventCreate(void **event, unsigned) {
    ENTER;
    events++;
    *event = malloc(1);
    return success;
}
API cuEventRecord(void *event, void *) {
    ENTER;
    tasks.push_back({nullptr, event});
    return success;
}
API cuEventSynchronize(void *event) {
    ENTER;
    return work(event);
}
API cuEventDestroy_v2(void *event) {
    LOCKED;
    events--;
    free(event);
    return failed;
}
API cuMemGetInfo_v2(size_t *free, size_t *all) {
    ENTER;
    *all = static_cast<size_t>(option("memory", 1 << 30));
    *free = *all - used;
    return success;
}
API cuMemAlloc_v2(u64 *address, size_t bytes) {
    ENTER;
    if (bytes > static_cast<size_t>(option("memory", 1 << 30)) - used) return out_of_memory;
    void *p = aligned_alloc(512, (bytes + 511) / 512 * 512);
    memset(p, 0xa5, bytes);
    used += bytes;
    *address = reinterpret_cast<u64>(p);
    memory[*address] = bytes;
    return success;
}
API cuMemFree_v2(u64 address) {
    ENTER;
    work(nullptr);
    auto block = memory.find(address);
    if (block == memory.end()) wrong("memory is given back that was not allocated");
    if (!is_zero(pointer(address), block->second)) wrong("memory is given back that is not wiped");
    used -= block->second;
    free(pointer(address));
    memory.erase(block);
    return failed;
}
API cuMemHostAlloc(void **p, size_t bytes, unsigned) {
    ENTER;
    if (option("pinned", 1) == 0) return out_of_memory;
    *p = calloc(1, bytes);
    pinned[*p] = bytes;
    return success;
}
API cuMemFreeHost(void *p) {
    LOCKED;
    auto block = pinned.find(p);
    if (block == pinned.end() || !is_zero(p, block->second)) wrong("page-locked memory is not wiped");
    free(p);
    pinned.erase(block);
    return failed;
}
// The copies and the wipe read and write when they are done, not when they are asked for.
API cuMemsetD8Async(u64 at, unsigned char value, size_t bytes, void *) {
    ENTER;
    if (!is_device(at, bytes)) return invalid_value;
    tasks.push_back({[=] { return memset(pointer(at), value, bytes), success; }, nullptr});
    return success;
}
API cuMemcpyHtoDAsync_v2(u64 to, const void *from, size_t bytes, void *) {
    ENTER;
    if (!is_device(to, bytes)) return invalid_value;
    tasks.push_back({[=] { return memcpy(pointer(to), from, bytes), success; }, nullptr});
    return success;
}
API cuMemcpyDtoHAsync_v2(void *to, u64 from, size_t bytes, void *) {
    ENTER;
    if (!is_device(from, bytes)) return invalid_value;
    tasks.push_back({[=] { return memcpy(to, pointer(from), bytes), success; }, nullptr});
    return success;
}
API cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, void *) {
    ENTER;
    if (!is_device(to, bytes) || !is_device(from, bytes)) return invalid_value;
    tasks.push_back({[=] { return memmove(pointer(to), pointer(from), bytes), success; }, nullptr});
    return success;
}
API cuGetErrorString(int code, const char **text) {
    *text = code == fault ? "an illegal memory access was encountered" : code == bad_ptx ? "the provided PTX was compiled with an unsupported toolchain." : nullptr;
    return *text ? success : invalid_value;
}
