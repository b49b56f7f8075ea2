// The digits of scalars, sorted by bucket: a counting sort of as many passes as the scalars must be read, two.
#pragma once

#include "carry.cuh"
#include "curve.cuh"

namespace msm {

constexpr u32 all_lanes = 0xffffffff;
constexpr u32 no_bucket = 0xffffffff;

// Consecutive rows of a column. The host writes three words: the address, rows | first_base << 32, first_block.
struct Piece {
    const Fr *scalars;
    u32 rows;
    u32 first_base; // of row 0
    u32 first_block; // of the grid of msm_count and msm_scatter: those before it work on earlier pieces
    u32 unused;
};
static_assert(sizeof(Piece) == 24, "three words");

// A digit as it is sorted: the bucket in the upper half; in the lower half twice the position of the point, plus one to subtract it.
DEVICE u64 entry(u32 bucket, u32 term) { return static_cast<u64>(bucket) << 32 | term; }
DEVICE u32 bucket_of(u64 entry) { return static_cast<u32>(entry >> 32); }
DEVICE u32 term_of(u64 entry) { return static_cast<u32>(entry); }

// What comes before a bucket: entries in the lower half, buckets that have any in the upper. Both in one number, so that one scan does both.
DEVICE u64 place(u32 count) { return static_cast<u64>(count != 0) << 32 | count; }
DEVICE u32 entries_of(u64 place) { return static_cast<u32>(place); }
DEVICE u32 buckets_of(u64 place) { return static_cast<u32>(place >> 32); }

// A scalar's digits of c bits from the lowest, in -2^(c-1)+1 ..= 2^(c-1).
//
// Of s and p - s the smaller is taken, so a small negative number has as few digits as a positive one. That is below 2^253, so c w >= 254 bits
// hold the carry into the highest of w windows.
struct Digits {
    u32 rest[8], negative, carry;

    static DEVICE Digits none() { return Digits{{0, 0, 0, 0, 0, 0, 0, 0}, 0, 0}; }
    static DEVICE Digits of(const Fr &scalar) {
        Fr value = scalar.to_canonical();
        u32 opposite[8];
        opposite[0] = ptx::sub_cc(FrParameters::modulus(0), value.limb[0]);
#pragma unroll
        for (int i = 1; i < 7; i++) opposite[i] = ptx::subc_cc(FrParameters::modulus(i), value.limb[i]);
        opposite[7] = ptx::subc(FrParameters::modulus(7), value.limb[7]);
        // Of opposite - value only the borrow counts.
        ptx::sub_cc(opposite[0], value.limb[0]);
#pragma unroll
        for (int i = 1; i < 8; i++) ptx::subc_cc(opposite[i], value.limb[i]);
        Digits digits = none();
        digits.negative = ptx::subc(0, 0) & 1;
#pragma unroll
        for (int i = 0; i < 8; i++) digits.rest[i] = digits.negative ? opposite[i] : value.limb[i];
        return digits;
    }

    // Whether a digit that is not zero remains.
    DEVICE bool any() const {
        u32 any = carry;
#pragma unroll
        for (int i = 0; i < 8; i++) any |= rest[i];
        return any != 0;
    }

    // Takes off the lowest digit: its magnitude; `subtract` gets 1 if the point is to be subtracted, else 0.
    DEVICE u32 next(u32 window, u32 &subtract) {
        u32 low = (rest[0] & ((u32(1) << window) - 1)) + carry;
#pragma unroll
        for (int i = 0; i < 7; i++) rest[i] = __funnelshift_r(rest[i], rest[i + 1], window);
        rest[7] >>= window;
        carry = low > u32(1) << (window - 1);
        subtract = negative ^ carry;
        return carry ? (u32(1) << window) - low : low;
    }
};

// The piece a block works on.
DEVICE u32 find_piece(const Piece *pieces, u32 count) {
    u32 low = 0;
    while (count > 1) {
        u32 half = count / 2;
        if (pieces[low + half].first_block <= blockIdx.x) low += half, count -= half;
        else count = half;
    }
    return low;
}

// Calls visit(bucket, term) for each window of the row of this thread. All lanes call it as often; `no_bucket` stands for digit zero.
//
// Window w belongs to group w % groups, and its multiples are level w / groups of the prepared points. Windows above the highest digit of a
// warp are not visited: short scalars cost what they have.
template <class Visit>
DEVICE void for_each_digit(const Piece *pieces, u32 count, u32 window, u32 groups, u32 bases, Visit visit) {
    u32 index = find_piece(pieces, count);
    Piece piece = pieces[index];
    u32 row = (blockIdx.x - piece.first_block) * blockDim.x + threadIdx.x;
    Digits digits = row < piece.rows ? Digits::of(Fr::load(piece.scalars + row)) : Digits::none();
    u32 point = piece.first_base + row, group = 0;
    while (__any_sync(all_lanes, digits.any())) {
        u32 subtract, magnitude = digits.next(window, subtract);
        u32 bucket = ((index * groups + group) << (window - 1)) + magnitude - 1;
        visit(magnitude == 0 ? no_bucket : bucket, point << 1 | subtract);
        if (++group == groups) {
            group = 0;
            point += bases;
        }
    }
}

// Exclusive prefix sums over a block of full warps; `total` gets the sum. `sums` has an element for each warp.
DEVICE u64 scan_block(u64 value, u64 *sums, u64 &total) {
    u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    u64 sum = value;
#pragma unroll
    for (u32 distance = 1; distance < 32; distance *= 2) {
        u64 other = __shfl_up_sync(all_lanes, sum, distance);
        if (lane >= distance) sum += other;
    }
    if (lane == 31) sums[warp] = sum;
    __syncthreads();
    u64 before = 0;
    total = 0;
    for (u32 w = 0; w < blockDim.x / 32; w++) {
        if (w == warp) before = total;
        total += sums[w];
    }
    __syncthreads(); // the caller may scan again
    return before + sum - value;
}

constexpr u32 scan_threads = 256, scan_items = 8;

} // namespace msm

// counts[b] += the entries of bucket b.
//
// Lanes with the same bucket add once: a warp of equal scalars is the normal case, not the exception, and 32 atomics on a word take their turns.
KERNEL_BOUNDED(256, msm_count, u32 *counts, const msm::Piece *pieces, u32 count, u32 window, u32 groups, u32 bases) {
    u32 lane = threadIdx.x % 32;
    msm::for_each_digit(pieces, count, window, groups, bases, [=](u32 bucket, u32) {
        u32 peers = __match_any_sync(msm::all_lanes, bucket);
        if (bucket != msm::no_bucket && lane + 1 == u32(__ffs(peers))) atomicAdd(counts + bucket, u32(__popc(peers)));
    });
}

// tiles[t] = sum of the places of the t-th 2048 buckets. counts[buckets], zero before, gets the most entries of any bucket.
//
// Three passes: a single one needs blocks that wait for each other.
KERNEL_BOUNDED(256, msm_scan_tiles, u64 *tiles, u32 *counts, u32 buckets) {
    SHARED(u64, sums, [msm::scan_threads / 32]);
    u32 first = blockIdx.x * msm::scan_threads * msm::scan_items + threadIdx.x;
    u64 sum = 0, total;
    u32 most = 0;
#pragma unroll
    for (u32 i = 0; i < msm::scan_items; i++) {
        u32 at = first + i * msm::scan_threads;
        u32 n = at < buckets ? counts[at] : 0;
        sum += msm::place(n);
        most = max(most, n);
    }
    msm::scan_block(sum, sums, total);
    if (threadIdx.x == 0) tiles[blockIdx.x] = total;
#pragma unroll
    for (u32 lanes = 16; lanes > 0; lanes /= 2) most = max(most, __shfl_xor_sync(msm::all_lanes, most, lanes));
    if (threadIdx.x % 32 == 0 && most > 0) atomicMax(counts + buckets, most);
}

// Exclusive prefix sums of the tiles, by one block. places[buckets] = the place after all buckets, and the word after it what
// msm_scan_tiles found: the host reads both at once.
KERNEL_BOUNDED(256, msm_scan_totals, u64 *tiles, u64 *places, const u32 *counts, u32 buckets, u32 count) {
    SHARED(u64, sums, [msm::scan_threads / 32]);
    u64 before = 0;
    for (u32 start = 0; start < count; start += blockDim.x) {
        u32 at = start + threadIdx.x;
        u64 total, value = at < count ? tiles[at] : 0;
        u64 sum = msm::scan_block(value, sums, total);
        if (at < count) tiles[at] = before + sum;
        before += total;
    }
    if (threadIdx.x != 0) return;
    places[buckets] = before;
    places[buckets + 1] = counts[buckets];
}

// places[b] = the place of bucket b.
KERNEL_BOUNDED(256, msm_scan_places, u64 *places, const u64 *tiles, const u32 *counts, u32 buckets) {
    SHARED(u64, sums, [msm::scan_threads / 32]);
    u32 first = (blockIdx.x * msm::scan_threads + threadIdx.x) * msm::scan_items;
    u64 values[msm::scan_items], sum = 0, total;
#pragma unroll
    for (u32 i = 0; i < msm::scan_items; i++) sum += values[i] = first + i < buckets ? msm::place(counts[first + i]) : 0;
    u64 at = tiles[blockIdx.x] + msm::scan_block(sum, sums, total);
#pragma unroll
    for (u32 i = 0; i < msm::scan_items; i++) {
        if (first + i < buckets) places[first + i] = at;
        at += values[i];
    }
}

// Writes each entry to its bucket's stretch. Counts down `counts`, to zero, so the last entry of a bucket is placed first; the order within
// a bucket is that of the atomics, and the sum does not depend on it.
KERNEL_BOUNDED(256, msm_scatter, u64 *entries, u32 *counts, const u64 *places, const msm::Piece *pieces, u32 count, u32 window, u32 groups,
               u32 bases) {
    u32 lane = threadIdx.x % 32;
    msm::for_each_digit(pieces, count, window, groups, bases, [=](u32 bucket, u32 term) {
        u32 peers = __match_any_sync(msm::all_lanes, bucket), leader = __ffs(peers) - 1, left = 0;
        if (bucket != msm::no_bucket && lane == leader) left = atomicAdd(counts + bucket, 0 - u32(__popc(peers)));
        left = __shfl_sync(msm::all_lanes, left, leader);
        if (bucket == msm::no_bucket) return;
        u32 rank = __popc(peers & ((u32(1) << lane) - 1));
        entries[msm::entries_of(places[bucket]) + left - 1 - rank] = msm::entry(bucket, term);
    });
}
