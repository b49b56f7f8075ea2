// ICICLE's C interface for tests of what calls it, by definition and without its speed. One source for three libraries: PART_DEVICE,
// PART_FIELD and PART_CURVE.
//
// As in ICICLE a device has to be set in each thread, a domain that is there already is kept whatever is asked for, a call for a type of device that is not
// known throws, and the root of unity of the fake's own is another one than halo2's (powers of 5). Points that are said to be on the device have to be there,
// and memory that is left at the end of the process aborts it.
//
// FAKE_ICICLE changes it, a list of these:
//   NAME=CODE             that function returns the code; it throws for -1
//   skip=N                only from its call N on, counted from 0
//   memory=BYTES          what there is of it
//   backend=0             no backend is found
//   domain=own, root=own  there is a domain of the fake's own root at first; it uses that root always
//   results=montgomery, results=jacobian
// With OTHER_LAYOUT the structures are not those of version 3.
#include "curve.cuh"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

enum { success = 0, invalid_device = 1, invalid_pointer = 3, allocation_failed = 4, invalid_argument = 11, backend_load_failed = 12 };

// In the library for devices, for all three.
API int fake_enter(const char *name);
API bool fake_is_on_device(const void *p, size_t bytes);

#define ENTER \
    if (int code = fake_enter(__func__)) return code

// What is set for `name`, or nothing.
static std::string option(const std::string &name) {
    const char *all = getenv("FAKE_ICICLE");
    std::string list = "," + std::string(all ? all : "") + ",", key = "," + name + "=";
    size_t at = list.find(key);
    if (at == std::string::npos) return "";
    at += key.size();
    return list.substr(at, list.find(',', at) - at);
}

#if defined(PART_DEVICE)

struct Device {
    char type[64];
    int id;
};

namespace {

std::mutex mutex;
std::map<std::string, int> calls;
bool is_loaded;
thread_local bool is_set;

struct Memory {
    std::map<const char *, size_t> blocks;
    size_t used = 0;
    ~Memory() {
        if (blocks.empty()) return;
        fprintf(stderr, "fake ICICLE: memory is left\n");
        abort();
    }
} memory;

bool is_known(const Device &device) {
    std::string type(device.type, strnlen(device.type, sizeof device.type));
    return type == "CPU" || (type == "FAKE" && is_loaded);
}

// The code that a call is to return.
int wanted(const char *name) {
    std::string code = option(name);
    if (code.empty() || calls[name]++ < atoi(option("skip").c_str())) return success;
    if (code == "-1") throw std::runtime_error(name);
    return atoi(code.c_str());
}

} // namespace

#define LOCKED std::lock_guard<std::mutex> lock(mutex)

API int fake_enter(const char *name) {
    LOCKED;
    return is_set ? wanted(name) : static_cast<int>(invalid_device);
}
API bool fake_is_on_device(const void *p, size_t bytes) {
    LOCKED;
    const char *at = static_cast<const char *>(p);
    auto after = memory.blocks.upper_bound(at);
    if (after == memory.blocks.begin()) return false;
    auto block = std::prev(after);
    return at + bytes <= block->first + block->second;
}
API int icicle_load_backend(const char *path, bool is_recursive) {
    LOCKED;
    struct stat status;
    is_loaded |= is_recursive && stat(path, &status) == 0 && option("backend") != "0";
    return success;
}
API int icicle_load_backend_from_env_or_default() {
    LOCKED;
    is_loaded |= option("backend") != "0";
    return is_loaded ? success : backend_load_failed;
}
API int icicle_is_device_available(const Device &device) {
    LOCKED;
    return is_known(device) ? wanted(__func__) : static_cast<int>(invalid_device);
}
API int icicle_set_device(const Device &device) {
    LOCKED;
    if (!is_known(device)) throw std::runtime_error("a device that is not registered");
    if (device.id < 0 || device.id > 1) return invalid_device;
    is_set = true;
    return wanted(__func__);
}
API int icicle_malloc(void **p, size_t bytes) {
    ENTER;
    LOCKED;
    std::string limit = option("memory");
    if (!limit.empty() && memory.used + bytes > strtoull(limit.c_str(), nullptr, 10)) return allocation_failed;
    char *block = static_cast<char *>(malloc(bytes));
    memory.blocks[block] = bytes;
    memory.used += bytes;
    *p = block;
    return success;
}
API int icicle_free(void *p) {
    ENTER;
    LOCKED;
    auto block = memory.blocks.find(static_cast<char *>(p));
    if (block == memory.blocks.end()) return invalid_pointer;
    memory.used -= block->second;
    memory.blocks.erase(block);
    free(p);
    return success;
}
API int icicle_copy_to_device(void *to, const void *from, size_t bytes) {
    ENTER;
    if (!fake_is_on_device(to, bytes)) return invalid_pointer;
    memcpy(to, from, bytes);
    return success;
}

#elif defined(PART_FIELD)

struct NttConfig {
#ifdef OTHER_LAYOUT
    Fr coset_gen;
    void *stream;
#else
    void *stream;
    struct { u32 limb[8]; } coset_gen;
#endif
    int batch_size;
    bool columns_batch;
    int ordering;
    bool are_inputs_on_device, are_outputs_on_device, is_async;
    void *ext;
};
struct InitDomainConfig {
    void *stream;
    bool is_async;
    void *ext;
};

namespace {

constexpr u64 greatest_size = u64(1) << 28;

std::mutex mutex;
Fr domain_root;
u64 domain_size; // 0: there is no domain

Fr load(const void *canonical) {
    Fr r;
    memcpy(&r, canonical, sizeof r);
    return r.from_canonical();
}
void store(const Fr &a, void *canonical) {
    Fr r = a.to_canonical();
    memcpy(canonical, &r, sizeof r);
}

// Of order `size`: 5^((p - 1) / size).
Fr own_root(u64 size) {
    Fr root = Fr::one(), five = Fr::from_u64(5);
    for (int bit = 255; bit >= 28; bit--) {
        root = root.sqr();
        u32 limb = FrParameters::modulus(bit / 32);
        if (limb >> (bit % 32) & 1) root *= five;
    }
    return root.pow(greatest_size / size);
}
u64 order(Fr root) {
    u64 size = 1;
    for (; root != Fr::one() && size <= greatest_size; size *= 2) root = root.sqr();
    return size;
}
void start() {
    static bool is_started = false;
    if (!is_started && option("domain") == "own") domain_root = own_root(domain_size = 1 << 16);
    is_started = true;
}

// The values at the powers of a root, of order `n`.
void evaluate(Fr *a, size_t n, const Fr &root) {
    if (n == 1) return;
    std::vector<Fr> even, odd;
    for (size_t i = 0; i < n; i++) (i % 2 ? odd : even).push_back(a[i]);
    evaluate(even.data(), n / 2, root.sqr());
    evaluate(odd.data(), n / 2, root.sqr());
    Fr power = Fr::one();
    for (size_t i = 0; i < n / 2; i++, power *= root) {
        Fr b = odd[i] * power;
        a[i] = even[i] + b;
        a[i + n / 2] = even[i] - b;
    }
}

} // namespace

#define LOCKED std::lock_guard<std::mutex> lock(mutex)

API int bn254_ntt_init_domain(const void *root, const InitDomainConfig *config) {
    ENTER;
    LOCKED;
    start();
    if (config->stream || config->is_async || config->ext) return invalid_argument;
    if (domain_size) return success;
    Fr given = load(root);
    u64 size = order(given);
    if (size > greatest_size) return invalid_argument;
    domain_size = size;
    domain_root = option("root") == "own" ? own_root(size) : given;
    return success;
}
API int bn254_ntt_release_domain() {
    ENTER;
    LOCKED;
    start();
    domain_size = 0;
    return success;
}
API int bn254_ntt(const char *in, int size, int direction, const NttConfig *config, char *out) {
    ENTER;
    LOCKED;
    u64 n = static_cast<u64>(size);
    if (size <= 0 || (n & (n - 1)) || n > domain_size || config->batch_size != 1 || config->columns_batch || config->ordering) return invalid_argument;
    if (config->stream || config->are_inputs_on_device || config->are_outputs_on_device || config->is_async || config->ext) return invalid_argument;
    Fr root = domain_root.pow(domain_size / n), shift = load(&config->coset_gen), power = Fr::one();
    if (direction) {
        root = root.inverse();
        shift = shift.inverse();
    }
    std::vector<Fr> a;
    for (u64 i = 0; i < n; i++) a.push_back(load(in + 32 * i));
    Fr scale = Fr::from_u64(n).inverse();
    for (u64 i = 0; i < n && !direction; i++, power *= shift) a[i] *= power;
    evaluate(a.data(), n, root);
    for (u64 i = 0; i < n && direction; i++, power *= shift) a[i] *= power * scale;
    for (u64 i = 0; i < n; i++) store(a[i], out + 32 * i);
    return success;
}

#elif defined(PART_CURVE)

struct MsmConfig {
    void *stream;
    int precompute_factor, c, bitsize, batch_size;
    bool are_points_shared_in_batch;
#ifdef OTHER_LAYOUT
    bool are_scalars_on_device, are_points_montgomery_form, are_points_on_device, are_scalars_montgomery_form;
#else
    bool are_scalars_on_device, are_scalars_montgomery_form, are_points_on_device, are_points_montgomery_form;
#endif
    bool are_results_on_device, is_async;
    void *ext;
};

namespace {

template <class F> F load(const void *p, bool is_montgomery) {
    F r;
    memcpy(&r, p, sizeof r);
    return is_montgomery ? r : r.from_canonical();
}

// By bits, from the highest down.
Xyzz sum(const std::vector<Fr> &scalars, const std::vector<Affine> &points) {
    Xyzz sum = Xyzz::identity();
    for (int bit = 255; bit >= 0; bit--) {
        sum = sum.dbl();
        for (size_t i = 0; i < scalars.size(); i++)
            if (scalars[i].limb[bit / 32] >> (bit % 32) & 1) sum = sum.add(points[i]);
    }
    return sum;
}

// (X / Z, Y / Z) with a Z that is not 1; the identity has a Y.
void store(const Xyzz &p, Fq *out) {
    Fq z = p.zz * p.zzz, result[3] = {p.x * p.zzz, p.is_identity() ? Fq::one() : p.y * p.zz, z};
    std::string results = option("results");
    if (results == "jacobian") {
        Jacobian jacobian = p.to_jacobian();
        memcpy(result, &jacobian, sizeof jacobian);
    }
    for (int i = 0; i < 3; i++) out[i] = results == "montgomery" ? result[i] : result[i].to_canonical();
}

} // namespace

API int bn254_msm(const char *scalars, const char *points, int size, const MsmConfig *config, char *out) {
    ENTER;
    if (size <= 0 || config->precompute_factor != 1 || config->batch_size < 1 || config->batch_size > 1 << 10) return invalid_argument;
    if (config->stream || config->ext || config->is_async || config->are_results_on_device || !config->are_points_shared_in_batch) return invalid_argument;
    size_t n = static_cast<size_t>(size), batch = static_cast<size_t>(config->batch_size);
    if (fake_is_on_device(points, 64 * n) != config->are_points_on_device) return invalid_pointer;
    if (fake_is_on_device(scalars, 32 * n * batch) != config->are_scalars_on_device) return invalid_pointer;
    std::vector<Affine> bases;
    for (size_t i = 0; i < n; i++) {
        bool is_montgomery = config->are_points_montgomery_form;
        bases.push_back({load<Fq>(points + 64 * i, is_montgomery), load<Fq>(points + 64 * i + 32, is_montgomery)});
    }
    for (size_t b = 0; b < batch; b++) {
        std::vector<Fr> column;
        for (size_t i = 0; i < n; i++) column.push_back(load<Fr>(scalars + 32 * (b * n + i), config->are_scalars_montgomery_form).to_canonical());
        Fq result[3];
        store(sum(column, bases), result);
        memcpy(out + 96 * b, result, sizeof result);
    }
    return success;
}

#endif
