// The one header that knows whether a kernel is compiled for a GPU (NVRTC, nvcc) or for the emulator (a host compiler).
//
//   KERNEL(name, parameters...) { ... }                    parameters are device pointers, u32 or u64, nothing else
//   KERNEL_BOUNDED(threads, name, parameters...) { ... }   as KERNEL, launched with at most `threads` threads a block
//   DEVICE, DEVICE_NOINLINE                                before a function or a member function
//   SHARED(type, name, [8][32]);                           static shared memory; type has no constructor and no comma
//   DYNAMIC_SHARED(type, name);                            type *name: the shared memory whose size the launch gives
#pragma once

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

static_assert(sizeof(u32) == 4 && sizeof(u64) == 8, "fixed-width types");

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

#define DEVICE __device__ __forceinline__
#define DEVICE_NOINLINE __device__ __noinline__
#define KERNEL(name, ...) extern "C" __global__ void name(__VA_ARGS__)
#define KERNEL_BOUNDED(threads, name, ...) extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)
#define SHARED(type, name, dimensions) __shared__ type name dimensions
#define DYNAMIC_SHARED(type, name)                                    \
    extern __shared__ __align__(16) unsigned char dynamic_shared_[]; \
    type *name = reinterpret_cast<type *>(dynamic_shared_)

#else

#include "emulator.h"

#define DEVICE inline
#define DEVICE_NOINLINE inline
#define KERNEL(name, ...) KERNEL_BOUNDED(1024, name, __VA_ARGS__)
#define KERNEL_BOUNDED(threads, name, ...)                                    \
    static void name(__VA_ARGS__);                                            \
    static const emulator::Registration register_##name(#name, threads, name); \
    static void name(__VA_ARGS__)
// The address of `name##_key` names the array; a reference keeps its dimensions.
#define SHARED(type, name, dimensions)        \
    static char name##_key;                   \
    typedef type name##_type dimensions;      \
    name##_type &name = *static_cast<name##_type *>(emulator::shared(&name##_key, sizeof(name##_type)))
#define DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(emulator::dynamic_shared())

#endif
