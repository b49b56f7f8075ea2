// CUDA's built-in functions for the emulator, as far as our kernels use them. Included by emulator.h.
#pragma once

#ifdef WITHOUT_BARRIERS
inline void __syncthreads() {}
inline void __syncwarp(u32 = 0xffffffff) {}
#else
inline void __syncthreads() { emulator::barrier(); }
inline void __syncwarp(u32 mask = 0xffffffff) { emulator::collective(emulator::Collective::sync, mask, 0, 0); }
#endif
inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() { emulator::fail(emulator::trapped, "__trap()"); }

// Only integers: what the kernels shuffle. `width` is a power of two, at most 32.
template <class T> T shuffle_from(u32 mask, T value, u32 source) {
    static_assert(std::is_integral<T>::value && (sizeof(T) == 4 || sizeof(T) == 8), "shuffles move 32 or 64 bits");
    return static_cast<T>(emulator::collective(emulator::Collective::shuffle, mask, static_cast<u64>(value), source));
}
template <class T> T __shfl_sync(u32 mask, T value, u32 source, u32 width = 32) {
    return shuffle_from(mask, value, emulator::segment_start(width) | (source & (width - 1)));
}
template <class T> T __shfl_up_sync(u32 mask, T value, u32 delta, u32 width = 32) {
    u32 lane = emulator::lane(), start = emulator::segment_start(width);
    return shuffle_from(mask, value, lane - start >= delta ? lane - delta : lane);
}
template <class T> T __shfl_down_sync(u32 mask, T value, u32 delta, u32 width = 32) {
    u32 lane = emulator::lane(), start = emulator::segment_start(width);
    return shuffle_from(mask, value, lane - start + delta < width ? lane + delta : lane);
}
template <class T> T __shfl_xor_sync(u32 mask, T value, u32 lanes, u32 width = 32) {
    u32 lane = emulator::lane(), source = lane ^ lanes;
    return shuffle_from(mask, value, source < emulator::segment_start(width) + width ? source : lane);
}
inline u32 __ballot_sync(u32 mask, bool predicate) {
    return static_cast<u32>(emulator::collective(emulator::Collective::ballot, mask, predicate, 0));
}
inline int __any_sync(u32 mask, bool predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(u32 mask, bool predicate) { return __ballot_sync(mask, !predicate) == 0; }
template <class T> u32 __match_any_sync(u32 mask, T value) {
    static_assert(std::is_integral<T>::value, "integers only");
    return static_cast<u32>(emulator::collective(emulator::Collective::match, mask, static_cast<u64>(value), 0));
}
// CUDA promises no more than a set that holds the caller; the emulator gives no more.
inline u32 __activemask() { return u32(1) << emulator::lane(); }

inline int __popc(u32 v) { return __builtin_popcount(v); }
inline int __popcll(u64 v) { return __builtin_popcountll(v); }
inline int __ffs(u32 v) { return __builtin_ffs(static_cast<int>(v)); }
inline int __ffsll(u64 v) { return __builtin_ffsll(static_cast<i64>(v)); }
inline int __clz(u32 v) { return v ? __builtin_clz(v) : 32; }
inline int __clzll(u64 v) { return v ? __builtin_clzll(v) : 64; }
inline u32 __brev(u32 v) {
    u32 r = 0;
    for (int i = 0; i < 32; i++) r |= ((v >> i) & 1) << (31 - i);
    return r;
}
inline u64 __brevll(u64 v) { return (static_cast<u64>(__brev(static_cast<u32>(v))) << 32) | __brev(static_cast<u32>(v >> 32)); }
inline u32 __umulhi(u32 a, u32 b) { return static_cast<u32>((static_cast<u64>(a) * b) >> 32); }
inline u64 __umul64hi(u64 a, u64 b) { return static_cast<u64>((static_cast<unsigned __int128>(a) * b) >> 64); }
inline u32 __funnelshift_l(u32 lo, u32 hi, u32 n) { return static_cast<u32>((((static_cast<u64>(hi) << 32) | lo) << (n & 31)) >> 32); }
inline u32 __funnelshift_r(u32 lo, u32 hi, u32 n) { return static_cast<u32>(((static_cast<u64>(hi) << 32) | lo) >> (n & 31)); }
template <class T> T __ldg(const T *p) { return *p; }
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }

// Fibers switch only at barriers and collectives, so plain reads and writes are atomic here.
namespace emulator {
template <class T> struct Same {
    typedef T type;
};
template <class T, class F> T replace(T *p, F next) {
    static_assert(std::is_same<T, u32>::value || std::is_same<T, u64>::value || std::is_same<T, i32>::value,
                  "atomics work on u32, u64 and i32");
    T old = *p;
    *p = next(old);
    return old;
}
} // namespace emulator
#define EMULATED_ATOMIC(name, next)                                            \
    template <class T> T name(T *p, typename emulator::Same<T>::type v) {      \
        return emulator::replace(p, [v](T old) -> T { return next; });         \
    }
EMULATED_ATOMIC(atomicAdd, old + v)
EMULATED_ATOMIC(atomicMax, old < v ? v : old)
EMULATED_ATOMIC(atomicMin, v < old ? v : old)
EMULATED_ATOMIC(atomicOr, old | v)
EMULATED_ATOMIC(atomicAnd, old &v)
EMULATED_ATOMIC(atomicXor, old ^ v)
EMULATED_ATOMIC(atomicExch, ((void)old, v))
#undef EMULATED_ATOMIC
template <class T> T atomicCAS(T *p, typename emulator::Same<T>::type expected, typename emulator::Same<T>::type v) {
    return emulator::replace(p, [=](T old) -> T { return old == expected ? v : old; });
}
