//! The sums of one batch.

use super::batch::{MAX_POSITIONS, Piece, roomy, segment_length};
use super::plan::Plan;
use super::{BLOCK, Bases};
use crate::device::{Argument, Buffer, DeviceError, Launch, wipe};
use crate::field::Jacobian;
use group::Group as _;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1};

/// Threads of a block of the kernels that read scalars, and of those that scan.
const ROWS: u32 = 256;
/// Buckets that a block scans.
const SCANNED: usize = 256 * 8;
/// Elements of a point in the form that kernels add.
const XYZZ: usize = 4;

/// The sum of each piece.
pub(super) fn of_pieces(bases: &Bases, columns: &[&Buffer<Fr>], pieces: &[Piece]) -> Result<Vec<G1>, DeviceError> {
    let entries = Entries::sort(bases, columns, pieces)?;
    if entries.count == 0 {
        return Ok(vec![G1::identity(); pieces.len()]);
    }
    let buckets = Buckets::sum(bases, entries)?;
    let mut host = buckets.weigh(bases, pieces.len() * bases.plan.groups as usize)?;
    let parts: Option<Vec<G1>> = host.iter().map(|part| part.to_point()).collect();
    wipe(&mut host, Jacobian::default());
    let mut parts = parts.ok_or_else(|| DeviceError::Failed {
        what: "msm_finish",
        reason: "a sum is not on the curve; the bases may not be either".into(),
    })?;
    let a_piece = (bases.plan.groups * bases.plan.window) as usize;
    let sums = parts.chunks_exact(a_piece).map(|parts| weighted(&bases.plan, parts)).collect();
    wipe(&mut parts, G1::identity());
    Ok(sums)
}

/// `sum_g 2^(c g) (parts[g][0] + sum_j 2^j parts[g][1 + j])` for `j < c - 1`, from the highest power of two down.
fn weighted(plan: &Plan, parts: &[G1]) -> G1 {
    let window = plan.window as usize;
    let mut sum = G1::identity();
    for group in parts.chunks_exact(window).rev() {
        // No part has bit c - 1.
        sum = sum.double();
        for bit in group[1..].iter().rev() {
            sum = sum.double() + bit;
        }
        sum += group[0];
    }
    sum
}

/// The pieces as kernels read them, and the grid of a thread a row.
fn describe(columns: &[&Buffer<Fr>], pieces: &[Piece]) -> (Vec<u64>, Launch) {
    let (mut words, mut blocks) = (Vec::with_capacity(3 * pieces.len()), 0);
    for Piece { column, start, rows } in pieces {
        words.extend([columns[*column].at(*start, *rows).0, *rows as u64 | (*start as u64) << 32, u64::from(blocks)]);
        blocks += rows.div_ceil(ROWS as usize) as u32;
    }
    (words, Launch { grid: [blocks, 1, 1], block: ROWS, shared: 0 })
}

/// The digits that are not zero, in the order of their buckets.
struct Entries {
    entries: Buffer<u64>,
    /// For each bucket the entries before it, and the buckets before it that have any.
    places: Buffer<u64>,
    count: usize,
    /// Buckets that have an entry.
    used: usize,
    /// The most entries of a bucket.
    most: usize,
}

impl Entries {
    fn sort(bases: &Bases, columns: &[&Buffer<Fr>], pieces: &[Piece]) -> Result<Self, DeviceError> {
        let (plan, device) = (&bases.plan, bases.device());
        let buckets = (pieces.len() * plan.groups as usize) << plan.log_buckets();
        let all_rows: usize = pieces.iter().map(|piece| piece.rows).sum();
        assert!(buckets.max(all_rows * plan.windows as usize) < MAX_POSITIONS, "a batch as `divide` makes it");
        assert!(pieces.iter().all(|piece| piece.start + piece.rows <= bases.len), "a base for each row");
        let (words, rows) = describe(columns, pieces);
        let words = Buffer::from_slice(device, &words)?;
        let pieces = [words.argument(), Argument::U32(pieces.len() as u32)];
        let windows = [plan.window, plan.groups, bases.len as u32].map(Argument::U32);
        let counts = Buffer::<u32>::zeros(device, buckets + 1)?;
        // SAFETY: `describe` asserts that rows are within their columns. A digit has a bucket of its piece, whatever the scalar is: the kernel reduces it.
        unsafe { device.launch("msm_count", rows, &[&[counts.argument()], &pieces[..], &windows].concat()) }?;
        let places = scan(&counts, buckets)?;

        let totals = places.read(buckets, 2)?;
        let (count, used, most) = (totals[0] as u32 as usize, (totals[0] >> 32) as usize, totals[1] as usize);
        let entries = Buffer::<u64>::new(device, roomy(count))?;
        if count > 0 {
            let buffers = [entries.argument(), counts.argument(), places.argument()];
            // SAFETY: as above. The digits are those that were counted, as nobody writes to columns that are borrowed, and each takes one of `count` places.
            unsafe { device.launch("msm_scatter", rows, &[&buffers[..], &pieces, &windows].concat()) }?;
        }
        Ok(Self { entries, places, count, used, most })
    }
}

/// The places of all buckets; then that of the end, and the most entries of a bucket.
fn scan(counts: &Buffer<u32>, buckets: usize) -> Result<Buffer<u64>, DeviceError> {
    let device = counts.device();
    assert!(buckets < counts.len(), "a count for each bucket, and one more");
    let count = buckets.div_ceil(SCANNED);
    let tiles = Buffer::<u64>::new(device, count)?;
    let places = Buffer::<u64>::new(device, buckets + 2)?;
    let [tiles, counts, places_at] = [tiles.argument(), counts.argument(), places.argument()];
    let size = Argument::U32(buckets as u32);
    let each = Launch { grid: [count as u32, 1, 1], block: ROWS, shared: 0 };
    // SAFETY: a block has an element of `tiles`; `counts` has one more than buckets. So below, and `places` has two more.
    unsafe { device.launch("msm_scan_tiles", each, &[tiles, counts, size]) }?;
    let one = Launch { grid: [1, 1, 1], block: ROWS, shared: 0 };
    // SAFETY: as above.
    unsafe { device.launch("msm_scan_totals", one, &[tiles, places_at, counts, size, Argument::U32(count as u32)]) }?;
    // SAFETY: as above.
    unsafe { device.launch("msm_scan_places", each, &[places_at, tiles, counts, size]) }?;
    Ok(places)
}

/// The sum of each bucket, at the position of its first partial sum.
struct Buckets {
    partials: Buffer<Fq>,
    places: Buffer<u64>,
    /// Entries of a segment.
    length: usize,
}

impl Buckets {
    fn sum(bases: &Bases, sorted: Entries) -> Result<Self, DeviceError> {
        let device = bases.device();
        let Entries { entries, places, count, used, most } = sorted;
        let length = segment_length(count);
        let segments = count.div_ceil(length);
        let positions = segments + used - 1;
        let partials = Buffer::<Fq>::new(device, XYZZ * roomy(positions))?;
        let owners = Buffer::<u32>::new(device, roomy(positions))?;
        let [count, length_argument, end] = [count, length, positions].map(|n| Argument::U32(n as u32));
        let [to, owners_at, places_at] = [partials.argument(), owners.argument(), places.argument()];
        let from = [bases.points.argument(), entries.argument()];
        let arguments = [to, owners_at, from[0], from[1], places_at, count, length_argument];
        // SAFETY: there are `count` entries, of buckets that `places` has, and of windows that the table has levels for: `sort` asserts that rows have bases. A
        // segment and the buckets that it goes through have positions of their own below `positions`: see the kernel.
        unsafe { device.launch("msm_accumulate", Launch::threads(segments, BLOCK), &arguments) }?;
        // Entries of a bucket that begins and ends anywhere.
        let partials_of_most = (most - 1).div_ceil(length) + 1;
        for round in 0..partials_of_most.next_power_of_two().ilog2() {
            let arguments = [to, owners_at, places_at, end, length_argument, Argument::U32(round)];
            // SAFETY: all `positions` have an owner by now, and the partial sums of a bucket are among them.
            unsafe { device.launch("msm_fold", Launch::threads(positions, BLOCK), &arguments) }?;
        }
        Ok(Self { partials, places, length })
    }

    /// For each set the sum of its buckets, then for each bit the sum of those with that bit.
    fn weigh(self, bases: &Bases, sets: usize) -> Result<Vec<Jacobian>, DeviceError> {
        let device = bases.device();
        let [low, high] = bases.plan.log_tiles();
        let rows = sets * (low as usize + 1);
        let sums = Buffer::<Fq>::new(device, (XYZZ * rows) << high)?;
        let parts = Buffer::<Jacobian>::new(device, sets * bases.plan.window as usize)?;
        let logs = [low, high].map(Argument::U32);
        let grid = |blocks: usize| Launch { grid: [blocks as u32, 1, 1], block: BLOCK, shared: 0 };
        let from = [self.partials.argument(), self.places.argument(), Argument::U32(self.length as u32)];
        // SAFETY: a set has `2^(low + high)` buckets, and `places` has as many as all sets and two more; the partial sums are those of the same places. `sums`
        // has `2^high` points for each row of a set.
        unsafe { device.launch("msm_weigh", grid(sets << high), &[&[sums.argument()], &from[..], &logs].concat()) }?;
        // SAFETY: as above; a set has `1 + low + high` parts, which is a window's bits.
        unsafe { device.launch("msm_finish", grid(rows), &[parts.argument(), sums.argument(), logs[0], logs[1]]) }?;
        parts.to_vec()
    }
}
