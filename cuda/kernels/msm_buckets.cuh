// The sum of each bucket, from entries in the order of their buckets.
//
// Entries are cut into segments of equal length, one a thread, whatever the buckets: all threads do the same work. A thread writes a partial
// sum at the end of each bucket and of its segment.
//
//   entries    a a a a | a b b b | c c d d     segments of 4
//   partials   a         a b       . c d       partial (s, r) of segment s and bucket r is at s + r; r counts buckets that have entries
//
// Along the list either s or r or both go up by one. If both do, where a segment begins with a bucket, a position stays empty. So S segments
// over R buckets make S + R - 1 positions, each of one writer, without a count beforehand; and the partial sums of a bucket are adjacent, at
// positions that follow from its place. msm_fold then adds them up, all buckets at once, halving their number in each round.
#pragma once

#include "msm_sort.cuh"

namespace msm {

// The partial sums of a bucket that has entries: `count` from position `first` on.
struct Stretch {
    u32 first, count;

    static DEVICE Stretch of(const u64 *places, u32 bucket, u32 length) {
        u32 begin = entries_of(places[bucket]), end = entries_of(places[bucket + 1]);
        u32 segment = begin / length;
        return Stretch{segment + buckets_of(places[bucket]), (end - 1) / length - segment + 1};
    }
};

} // namespace msm

// The partial sums of all segments of `length` entries. owners[i] = the bucket of position i.
//
// Ten products an entry. Launched with 128 threads a block; the bound keeps it at 128 registers, for 512 threads a multiprocessor.
KERNEL_BOUNDED(512, msm_accumulate, Xyzz *partials, u32 *owners, const Affine *points, const u64 *entries, const u64 *places, u32 count,
               u32 length) {
    u32 segment = blockIdx.x * blockDim.x + threadIdx.x;
    u64 first = static_cast<u64>(segment) * length;
    if (first >= count) return;
    u32 left = min(length, static_cast<u32>(count - first));
    entries += first;
    u32 bucket = msm::bucket_of(entries[0]);
    u32 at = segment + msm::buckets_of(places[bucket]);
    if (segment > 0 && msm::bucket_of(entries[-1]) != bucket) owners[at - 1] = msm::no_bucket;
    Xyzz sum = Xyzz::identity();
#pragma unroll 1
    for (; left > 0; left--, entries++) {
        u64 entry = *entries;
        if (msm::bucket_of(entry) != bucket) {
            sum.store(partials + at);
            owners[at++] = bucket;
            bucket = msm::bucket_of(entry);
            sum = Xyzz::identity();
        }
        u32 term = msm::term_of(entry);
        Affine point = Affine::load(points + (term >> 1));
        if (term & 1) point = point.neg();
        sum = sum.add(point);
    }
    sum.store(partials + at);
    owners[at] = bucket;
}

// Round `round` of halving: of the `live` partial sums that a bucket has left, the second half is added to the first. One thread a position.
KERNEL_BOUNDED(128, msm_fold, Xyzz *partials, const u32 *owners, const u64 *places, u32 count, u32 length, u32 round) {
    u32 at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count || owners[at] == msm::no_bucket) return;
    msm::Stretch stretch = msm::Stretch::of(places, owners[at], length);
    u32 live = ((stretch.count - 1) >> round) + 1, kept = (live + 1) / 2;
    if (at - stretch.first + kept >= live) return;
    Xyzz::load(partials + at).add(Xyzz::load(partials + at + kept)).store(partials + at);
}
