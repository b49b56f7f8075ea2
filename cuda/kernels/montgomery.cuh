// Arithmetic modulo a prime of 254 bits in eight 32-bit limbs, operands and results below the modulus, R = 2^256.
// The device's version. Host builds run it too, unless FAST_HOST_FIELD chooses montgomery_fast.h.
#pragma once

#include "carry.cuh"

// P gives modulus(i) (limb i) and negated_inverse = -modulus^-1 mod 2^64.
template <class P> struct Montgomery {
    // r = a + b. No carry leaves the top limb: 2 * modulus < 2^255.
    static DEVICE void add(u32 *r, const u32 *a, const u32 *b) {
        r[0] = ptx::add_cc(a[0], b[0]);
#pragma unroll
        for (int i = 1; i < 7; i++) r[i] = ptx::addc_cc(a[i], b[i]);
        r[7] = ptx::addc(a[7], b[7]);
        reduce(r);
    }

    static DEVICE void sub(u32 *r, const u32 *a, const u32 *b) {
        r[0] = ptx::sub_cc(a[0], b[0]);
#pragma unroll
        for (int i = 1; i < 8; i++) r[i] = ptx::subc_cc(a[i], b[i]);
        u32 borrowed = ptx::subc(0, 0); // all ones if a < b
        r[0] = ptx::add_cc(r[0], P::modulus(0) & borrowed);
#pragma unroll
        for (int i = 1; i < 7; i++) r[i] = ptx::addc_cc(r[i], P::modulus(i) & borrowed);
        r[7] = ptx::addc(r[7], P::modulus(7) & borrowed);
    }

    // r = a b / R.
    //
    // The accumulator is even + 2^32 odd, both of eight limbs. Products of even limbs of a go to `even`, those of odd limbs to
    // `odd`, so each (lo, hi) pair is adjacent and ptxas makes one IMAD.WIDE of it. Each step adds a b[i] and the multiple of the
    // modulus that clears limb 0, then divides by 2^32, which exchanges the two roles: even' = odd + even[1], odd' = even >> 64.
    // The accumulator stays below 2^288 (a, b, modulus < 2^254), so `odd` never overflows; what leaves `even` belongs to odd[7].
    static DEVICE void mul(u32 *r, const u32 *a, const u32 *b) {
        u32 even[8], odd[8];
#pragma unroll
        for (int j = 0; j < 8; j += 2) {
            even[j] = ptx::mul_lo(a[j], b[0]);
            even[j + 1] = ptx::mul_hi(a[j], b[0]);
            odd[j] = ptx::mul_lo(a[j + 1], b[0]);
            odd[j + 1] = ptx::mul_hi(a[j + 1], b[0]);
        }
        clear_lowest(even, odd);
#pragma unroll
        for (int i = 1; i < 8; i += 2) {
            shift_and_add_product(odd, even, a, b[i]);
            clear_lowest(odd, even);
            if (i == 7) break;
            shift_and_add_product(even, odd, a, b[i + 1]);
            clear_lowest(even, odd);
        }
        // The last step left the roles exchanged: the value is odd + 2^32 even with odd[0] = 0.
        r[0] = ptx::add_cc(odd[1], even[0]);
#pragma unroll
        for (int i = 1; i < 7; i++) r[i] = ptx::addc_cc(odd[i + 1], even[i]);
        r[7] = ptx::addc(even[7], 0);
        reduce(r);
    }

  private:
    // r below twice the modulus.
    static DEVICE void reduce(u32 *r) {
        u32 t[8];
        t[0] = ptx::sub_cc(r[0], P::modulus(0));
#pragma unroll
        for (int i = 1; i < 8; i++) t[i] = ptx::subc_cc(r[i], P::modulus(i));
        u32 borrowed = ptx::subc(0, 0);
#pragma unroll
        for (int i = 0; i < 8; i++) r[i] = borrowed ? r[i] : t[i];
    }

    // even + 2^32 odd += modulus * m, with m so that even[0] becomes 0.
    static DEVICE void clear_lowest(u32 *even, u32 *odd) {
        u32 m = even[0] * static_cast<u32>(P::negated_inverse);
        odd[0] = ptx::mad_lo_cc(P::modulus(1), m, odd[0]);
        odd[1] = ptx::madc_hi_cc(P::modulus(1), m, odd[1]);
#pragma unroll
        for (int j = 2; j < 6; j += 2) {
            odd[j] = ptx::madc_lo_cc(P::modulus(j + 1), m, odd[j]);
            odd[j + 1] = ptx::madc_hi_cc(P::modulus(j + 1), m, odd[j + 1]);
        }
        odd[6] = ptx::madc_lo_cc(P::modulus(7), m, odd[6]);
        odd[7] = ptx::madc_hi(P::modulus(7), m, odd[7]);
        even[0] = ptx::mad_lo_cc(P::modulus(0), m, even[0]);
        even[1] = ptx::madc_hi_cc(P::modulus(0), m, even[1]);
#pragma unroll
        for (int j = 2; j < 8; j += 2) {
            even[j] = ptx::madc_lo_cc(P::modulus(j), m, even[j]);
            even[j + 1] = ptx::madc_hi_cc(P::modulus(j), m, even[j + 1]);
        }
        odd[7] = ptx::addc(odd[7], 0);
    }

    // The value old + 2^32 low with old[0] = 0, divided by 2^32, plus a b: `low` becomes even, `old` becomes odd.
    static DEVICE void shift_and_add_product(u32 *low, u32 *old, const u32 *a, u32 b) {
        low[0] = ptx::add_cc(low[0], old[1]); // its carry weighs 2^32: it enters at odd[0]
#pragma unroll
        for (int j = 0; j < 6; j += 2) {
            old[j] = ptx::madc_lo_cc(a[j + 1], b, old[j + 2]);
            old[j + 1] = ptx::madc_hi_cc(a[j + 1], b, old[j + 3]);
        }
        old[6] = ptx::madc_lo_cc(a[7], b, 0);
        old[7] = ptx::madc_hi(a[7], b, 0);
        low[0] = ptx::mad_lo_cc(a[0], b, low[0]);
        low[1] = ptx::madc_hi_cc(a[0], b, low[1]);
#pragma unroll
        for (int j = 2; j < 8; j += 2) {
            low[j] = ptx::madc_lo_cc(a[j], b, low[j]);
            low[j + 1] = ptx::madc_hi_cc(a[j], b, low[j + 1]);
        }
        old[7] = ptx::addc(old[7], 0);
    }
};
