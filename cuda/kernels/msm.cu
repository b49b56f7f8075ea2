// Multi-scalar multiplication: sum_i s_i P_i for many columns of scalars s over the same bases P. The host's side is src/msm/.
//
// Pippenger's method with signed digits of c = `window` bits. A *set* is the 2^(c-1) buckets of one group of windows of one column; bucket
// `set 2^(c-1) + d - 1` sums the points with digit d or -d. With all multiples 2^(c w) P prepared, a column has one set.
//
//   msm_multiples             once a key: the multiples of the bases
//   msm_count .. msm_scatter  the digits, as entries in the order of their buckets (msm_sort.cuh)
//   msm_accumulate, msm_fold  the sum of each bucket (msm_buckets.cuh)
//   msm_weigh, msm_finish     sum_d d B_d of each set, as c points with powers of two (msm_weigh.cuh)
//
// A proof's columns are mostly zeros and numbers of 16 bits, with a few random rows at the end, so buckets are as uneven as can be: one of
// them may hold half of all entries. Hence nothing here gives a bucket to a thread. Zero digits cost no addition and no memory.
//
// Not taken: affine additions that share an inversion (6 products instead of 10, but each needs a prefix product over a block), and the
// curve's endomorphism (with prepared multiples it saves memory only: half the levels, at 11 products instead of 10).
#include "msm_sort.cuh"

#include "msm_buckets.cuh"
#include "msm_multiples.cuh"
#include "msm_weigh.cuh"
