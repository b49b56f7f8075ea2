// montgomery.cuh in 128-bit integers of the host, for tests of kernels, where the emulated carry flag would take most of the time.
// Host only, chosen by FAST_HOST_FIELD; the field's own tests run both.
#pragma once

#include <cstring>

template <class P> struct Montgomery {
    typedef unsigned __int128 u128;

    static void add(u32 *r, const u32 *a, const u32 *b) {
        u64 x[4], y[4];
        read(x, a);
        read(y, b);
        u128 c = 0;
        for (int i = 0; i < 4; i++) x[i] = static_cast<u64>(c += u128(x[i]) + y[i]), c >>= 64;
        reduce(r, x);
    }

    static void sub(u32 *r, const u32 *a, const u32 *b) {
        u64 x[4], y[4];
        read(x, a);
        read(y, b);
        u64 mask = subtract(x, x, y) ? ~u64(0) : 0;
        u128 c = 0;
        for (int i = 0; i < 4; i++) x[i] = static_cast<u64>(c += u128(x[i]) + (modulus(i) & mask)), c >>= 64;
        memcpy(r, x, sizeof x);
    }

    static void mul(u32 *r, const u32 *a, const u32 *b) {
        u64 x[4], y[4], t[5] = {0, 0, 0, 0, 0};
        read(x, a);
        read(y, b);
        for (int i = 0; i < 4; i++) {
            u128 c = 0;
            for (int j = 0; j < 4; j++) t[j] = static_cast<u64>(c += u128(x[j]) * y[i] + t[j]), c >>= 64;
            t[4] += static_cast<u64>(c); // the accumulator stays below 2^320
            u64 m = t[0] * P::negated_inverse;
            c = (u128(m) * modulus(0) + t[0]) >> 64;
            for (int j = 1; j < 4; j++) t[j - 1] = static_cast<u64>(c += u128(m) * modulus(j) + t[j]), c >>= 64;
            c += t[4];
            t[3] = static_cast<u64>(c);
            t[4] = static_cast<u64>(c >> 64);
        }
        reduce(r, t);
    }

  private:
    static u64 modulus(int i) { return P::modulus(2 * i) | (u64(P::modulus(2 * i + 1)) << 32); }
    static void read(u64 *x, const u32 *a) { memcpy(x, a, 32); }
    static bool subtract(u64 *r, const u64 *a, const u64 *b) {
        u64 borrow = 0;
        for (int i = 0; i < 4; i++) {
            u128 d = u128(a[i]) - b[i] - borrow;
            r[i] = static_cast<u64>(d);
            borrow = static_cast<u64>(d >> 64) & 1;
        }
        return borrow;
    }
    static void reduce(u32 *r, const u64 *x) {
        u64 p[4] = {modulus(0), modulus(1), modulus(2), modulus(3)}, t[4];
        memcpy(r, subtract(t, x, p) ? x : t, 32);
    }
};
