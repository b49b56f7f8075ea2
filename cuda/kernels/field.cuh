// BN254's two prime fields: Fr (scalars) and Fq (coordinates).
//
// Eight 32-bit limbs, little-endian, Montgomery form with R = 2^256, always below the modulus: the bytes of halo2curves' Fr and Fq.
#pragma once

#include "platform.cuh"

#if defined(FAST_HOST_FIELD) && !defined(__CUDACC__) && !defined(__CUDACC_RTC__)
#include "montgomery_fast.h"
#else
#include "montgomery.cuh"
#endif

// Constants are functions of the limb's index: in an unrolled loop each call folds to an immediate.
#define LIMBS(name, ...)                              \
    static DEVICE u32 name(int i) {                   \
        constexpr u32 limbs[8] = {__VA_ARGS__};       \
        return limbs[i];                              \
    }

struct FrParameters {
    LIMBS(modulus, 0xf0000001, 0x43e1f593, 0x79b97091, 0x2833e848, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72)
    LIMBS(r, 0x4ffffffb, 0xac96341c, 0x9f60cd29, 0x36fc7695, 0x7879462e, 0x666ea36f, 0x9a07df2f, 0x0e0a77c1)
    LIMBS(r_squared, 0xae216da7, 0x1bb8e645, 0xe35c59e3, 0x53fe3ab1, 0x53bb8085, 0x8c49833d, 0x7f4e44a5, 0x0216d0b1)
    static constexpr u64 negated_inverse = 0xc2e1f593efffffff;
};

struct FqParameters {
    LIMBS(modulus, 0xd87cfd47, 0x3c208c16, 0x6871ca8d, 0x97816a91, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72)
    LIMBS(r, 0xc58f0d9d, 0xd35d438d, 0xf5c70b3d, 0x0a78eb28, 0x7879462c, 0x666ea36f, 0x9a07df2f, 0x0e0a77c1)
    LIMBS(r_squared, 0x538afa89, 0xf32cfc5b, 0xd44501fb, 0xb5e71911, 0x0a417ff6, 0x47ab1eff, 0xcab8351f, 0x06d89f71)
    static constexpr u64 negated_inverse = 0x87d20782e4866389;
};
#undef LIMBS

// No constructor: the type may live in shared memory and in uninitialised arrays.
template <class P> struct alignas(16) Field {
    typedef P Parameters;
    u32 limb[8];

    static DEVICE Field zero() { return constant([](int) -> u32 { return 0; }); }
    static DEVICE Field one() { return constant([](int i) -> u32 { return P::r(i); }); }

    // From and to memory as two 128-bit accesses.
    static DEVICE Field load(const Field *p) {
        const uint4 *v = reinterpret_cast<const uint4 *>(p);
        uint4 lo = v[0], hi = v[1];
        return Field{{lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w}};
    }
    DEVICE void store(Field *p) const {
        uint4 *v = reinterpret_cast<uint4 *>(p);
        v[0] = uint4{limb[0], limb[1], limb[2], limb[3]};
        v[1] = uint4{limb[4], limb[5], limb[6], limb[7]};
    }

    DEVICE Field operator+(const Field &b) const {
        Field r;
        Montgomery<P>::add(r.limb, limb, b.limb);
        return r;
    }
    DEVICE Field operator-(const Field &b) const {
        Field r;
        Montgomery<P>::sub(r.limb, limb, b.limb);
        return r;
    }
    DEVICE Field operator*(const Field &b) const {
        Field r;
        Montgomery<P>::mul(r.limb, limb, b.limb);
        return r;
    }
    DEVICE Field operator-() const { return zero() - *this; }
    DEVICE Field &operator+=(const Field &b) { return *this = *this + b; }
    DEVICE Field &operator-=(const Field &b) { return *this = *this - b; }
    DEVICE Field &operator*=(const Field &b) { return *this = *this * b; }
    DEVICE Field dbl() const { return *this + *this; }
    DEVICE Field sqr() const { return *this * *this; }

    DEVICE bool is_zero() const {
        u32 any = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) any |= limb[i];
        return any == 0;
    }
    DEVICE bool operator==(const Field &b) const {
        u32 any = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) any |= limb[i] ^ b.limb[i];
        return any == 0;
    }
    DEVICE bool operator!=(const Field &b) const { return !(*this == b); }

    // The integer below the modulus, in plain limbs.
    DEVICE Field to_canonical() const { return *this * constant([](int i) -> u32 { return i == 0; }); }
    // `*this` holds an integer below the modulus in plain limbs.
    DEVICE Field from_canonical() const { return *this * constant([](int i) -> u32 { return P::r_squared(i); }); }
    static DEVICE Field from_u64(u64 v) {
        return Field{{static_cast<u32>(v), static_cast<u32>(v >> 32), 0, 0, 0, 0, 0, 0}}.from_canonical();
    }

    DEVICE Field pow(u64 exponent) const {
        Field r = one();
#pragma unroll 1
        for (int i = 63 - __clzll(exponent); i >= 0; i--) {
            r = r.sqr();
            if ((exponent >> i) & 1) r *= *this;
        }
        return r;
    }

    // By Fermat, about 380 multiplications; zero gives zero. For many elements use a batch inversion.
    DEVICE Field inverse() const {
        Field r = one();
#pragma unroll 1
        for (int i = 253; i >= 0; i--) {
            r = r.sqr();
            // modulus - 2 differs from the modulus in limb 0 only, which is at least 2
            u32 exponent = P::modulus(i / 32) - (i < 32 ? 2 : 0);
            if ((exponent >> (i % 32)) & 1) r *= *this;
        }
        return r;
    }

  private:
    template <class F> static DEVICE Field constant(F limb_of) {
        Field r;
#pragma unroll
        for (int i = 0; i < 8; i++) r.limb[i] = limb_of(i);
        return r;
    }
};

typedef Field<FrParameters> Fr;
typedef Field<FqParameters> Fq;

static_assert(sizeof(Fr) == 32 && alignof(Fr) == 16, "the layout of halo2curves");
