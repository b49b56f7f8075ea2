// Transforms of 2^k elements: coefficients to values on a coset s <w>, and values on <w> to coefficients.
//
// P(X) = E(X^2) + X O(X^2): from the values e, o of the halves on the coset of s^2, those of P are e + t o and e - t o, t = s w^r. The
// stage that makes values at 2 h points of values at h has t = s^(n/2h) w^(r n/2h), r < h: entry h + r of a table of n elements. So s costs
// no multiplication, nor does going from pass to pass: there are k n / 2.
//
// The k stages are cut into one, two or three passes of `bits` stages over global memory. Stages use up the digits of a coefficient's
// index, the highest first, and make those of a value's index r, the lowest first. A pass takes the 2^bits elements that differ in a digit
// j1 and replaces it by a digit i1 of r: a transform of its own, on the coset that r says. A block does several in shared memory.
//
//     pass        an element's place before            and after
//     not last    j2 + j1 2^after + r 2^(after+bits)   the same, with i1 for j1; r grows to r + i1 2^before
//     last        j1 + (r, digits reversed) 2^bits     r + i1 2^before: this pass puts the order right
//
// Before the last of three passes r has two digits, of `first` and of `before - first` bits.
#include "columns_planes.cuh"

struct NttColumn {
    const Fr *in;
    Fr *out;
    u64 length; // coefficients of `in`; those above are 0
};

// What a block does: 2^wide transforms of 2^bits elements.
struct NttTile {
    Planes planes;
    const NttColumn *column;
    const Fr *twiddles;
    u32 k, bits, wide, before, inverse, last;
    // Where the block's elements are: `in` at in_first + (j << in_shift) + c in_step for element j of transform c, `out` at
    // out_first + (i << out_shift) + c. The transform's r is r_first + c r_step.
    u32 in_first, in_shift, in_step, out_first, out_shift, r_first, r_step;

    DEVICE void place(u32 tile, u32 first) {
        u32 after = k - before - bits;
        last = after == 0;
        if (last) {
            u32 high = tile >> (first - wide), low = (tile & ((1u << (first - wide)) - 1)) << wide;
            in_first = (low << (k - first)) + (high << bits);
            in_shift = 0, in_step = 1u << (k - first);
            out_first = r_first = (high << first) + low;
            out_shift = before, r_step = 1;
        } else {
            u32 r = tile >> (after - wide), low = (tile & ((1u << (after - wide)) - 1)) << wide;
            in_first = out_first = (r << (after + bits)) + low;
            in_shift = out_shift = after, in_step = 1;
            r_first = r, r_step = 0;
        }
    }

    DEVICE Fr read(u32 c, u32 j) const {
        u32 at = in_first + (j << in_shift) + c * in_step;
        return at < column->length ? Fr::load(column->in + at) : Fr::zero();
    }

    DEVICE void write(u32 c, u32 i, u32 final_round, const Fr &v) const {
        if (!final_round) return planes.put((i << wide) + c, v);
        u32 at = out_first + (i << out_shift) + c;
        // sum_j a_j w^(-ij) is what a transform has at -i.
        if (inverse) divided(v).store(column->out + (-at & ((1u << k) - 1)));
        else v.store(column->out + at);
    }

    DEVICE Fr twiddle(u32 c, u32 entry) const { return Fr::load(twiddles + (entry << before) + r_first + c * r_step); }

    // v / 2^k: one step of a Montgomery reduction on v 2^(32-k), an eighth of a multiplication.
    DEVICE Fr divided(const Fr &v) const {
        u32 low = v.limb[0] << (32 - k), m = low * static_cast<u32>(FrParameters::negated_inverse);
        u64 sum = static_cast<u64>(m) * FrParameters::modulus(0) + low;
        Fr r;
#pragma unroll
        for (int i = 1; i < 8; i++) {
            sum = (sum >> 32) + static_cast<u64>(m) * FrParameters::modulus(i) + __funnelshift_l(v.limb[i - 1], v.limb[i], 32 - k);
            r.limb[i - 1] = static_cast<u32>(sum);
        }
        r.limb[7] = static_cast<u32>(sum >> 32) + (v.limb[7] >> k);
        return r + Fr::zero(); // below twice the modulus: an addition reduces it
    }

    // Threads next to each other work on transforms next to each other, but for reading where a transform's elements are contiguous.
    DEVICE u32 split(u32 t, u32 size, bool by_elements, u32 &c) const {
        c = by_elements ? t >> size : t & ((1u << wide) - 1);
        return by_elements ? t & ((1u << size) - 1) : t >> wide;
    }

    static DEVICE u32 reversed(u32 q, u32 size) { return __brev(q) >> 1 >> (31 - size); }

    // The first stage alone, where `bits` is odd.
    DEVICE void pairs() const {
#pragma unroll 1
        for (u32 t = threadIdx.x; t < 1u << (bits - 1 + wide); t += blockDim.x) {
            u32 c, q = split(t, bits - 1, last, c);
            Fr a = read(c, q), b = read(c, q + (1u << (bits - 1))) * twiddle(c, 1);
            u32 i = 2 * reversed(q, bits - 1);
            write(c, i, bits == 1, a + b);
            write(c, i + 1, bits == 1, a - b);
        }
    }

    // Two stages: from values at h points each to values at 4 h. The first round reads what the reversed order of bits wants.
    template <bool first_round> DEVICE void fours(u32 h) const {
        const u32 size = bits - 2;
        const bool final_round = h == 1u << size;
#pragma unroll 1
        for (u32 t = threadIdx.x; t < 1u << (size + wide); t += blockDim.x) {
            u32 c, q = split(t, size, first_round && last, c);
            Fr a[4];
            if (first_round) {
#pragma unroll
                for (int l = 0; l < 4; l++) a[l] = read(c, q + ((l >> 1 | (l & 1) << 1) << size));
                q = reversed(q, size);
            }
            u32 r = q & (h - 1), i = (q - r) * 4 + r;
            if (!first_round) {
#pragma unroll
                for (int l = 0; l < 4; l++) a[l] = planes.get(((i + l * h) << wide) + c);
            }
            Fr t1 = twiddle(c, h + r);
            Fr x = a[1] * t1, y = a[3] * t1;
            Fr even = a[0] + x, odd = a[0] - x;
            Fr above = (a[2] + y) * twiddle(c, 2 * h + r), beside = (a[2] - y) * twiddle(c, 3 * h + r);
            write(c, i, final_round, even + above);
            write(c, i + h, final_round, odd + beside);
            write(c, i + 2 * h, final_round, even - above);
            write(c, i + 3 * h, final_round, odd - beside);
        }
    }
};

// One pass over `count` columns. The grid is all tiles of all columns, neighbouring blocks on the same tile of different columns: what they
// read of the table is then in a cache. Dynamic shared memory: 32 bytes for each of the 2^(bits+wide) elements.
//
// Launched with 256 threads at most. The bound is for three such blocks: it gives them the registers that an SM has, and 64 KiB each.
KERNEL_BOUNDED(768, ntt_pass, const NttColumn *columns, const Fr *twiddles, u32 count, u32 k, u32 before, u32 first, u32 bits, u32 wide,
               u32 inverse) {
    DYNAMIC_SHARED(uint4, memory);
    NttTile tile;
    tile.planes = Planes::over(memory, 1u << (bits + wide));
    tile.column = columns + blockIdx.x % count, tile.twiddles = twiddles;
    tile.k = k, tile.bits = bits, tile.wide = wide, tile.before = before;
    tile.place(blockIdx.x / count, first);
    tile.inverse = inverse && tile.last;

    u32 h;
    if (bits % 2 == 1) {
        tile.pairs();
        h = 2;
    } else {
        tile.fours<true>(1);
        h = 4;
    }
#pragma unroll 1
    for (; h < 1u << bits; h *= 4) {
        __syncthreads();
        tile.fours<false>(h);
    }
}
