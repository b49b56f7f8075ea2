//! Operations on columns and polynomials on a device.
//!
//! Those that work row by row are here, those that take all rows together in `scan`. What they upload and borrow is small but for results.

mod copies;
mod lookups;
mod scan;

pub use copies::{Copies, copy_product};
pub use lookups::{Lookup, Lookups, lookup_sum};
pub use scan::{batch_invert, divide, evaluate, prefix_product, prefix_sum};

use crate::device::{Argument, Buffer, Device, DeviceError, Launch, on_one_device, wipe};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use std::ops::Range;
use std::sync::Arc;

/// Threads of a block, here and in `scan`.
const THREADS: u32 = 256;
/// Rows that a thread goes through where it needs powers.
const ROWS: usize = 8;
/// Entries of a table of [`squares`], as kernels have them: for powers of up to 24 bits of any of the first 24 entries.
const SQUARES: usize = 48;
/// Bits of the rows of a block: a thread computes the power of its first row even if there are fewer.
const ROW_BITS: u32 = (THREADS * ROWS as u32).ilog2();
const _: () =
    assert!(THREADS == 1 << 8 && ROWS == 1 << 3 && SQUARES >= 31, "the kernels' `rows_block`, `rows_each`; `index`");

/// `z^(2^i)` for each `i`.
pub(crate) fn squares(z: Fr) -> Vec<Fr> {
    std::iter::successors(Some(z), |power| Some(power.square())).take(SQUARES).collect()
}

/// A thread for each of `count` elements.
fn elementwise(count: usize) -> Launch {
    Launch::threads(index(count) as usize, THREADS)
}

/// A thread for [`ROWS`] rows of a block's.
fn rows(count: usize) -> Launch {
    let blocks = index(count).div_ceil(THREADS * ROWS as u32);
    Launch { grid: [blocks, 1, 1], block: THREADS, shared: 0 }
}

/// Kernels count in 32 bits, and add the size of a block to that.
fn index(count: usize) -> u32 {
    assert!(count <= 1 << 31, "{count} elements in a column");
    count as u32
}

fn count(count: usize) -> Argument {
    Argument::U32(index(count))
}

/// `out[range.start + i] = first[entry] z^i` for `i < range.len()`, which is not 0; the squares of `z` begin at `entry` too.
///
/// # Panics
/// If the range is not within `out`, or if there are too few squares.
pub(crate) fn launch_powers(
    out: &mut Buffer<Fr>,
    range: Range<usize>,
    first: &Buffer<Fr>,
    squares: &Buffer<Fr>,
    entry: usize,
) -> Result<(), DeviceError> {
    let n = range.len();
    on_one_device(out.device(), [first, squares]);
    let bits = index(n).next_power_of_two().ilog2().max(ROW_BITS);
    let arguments = [
        out.argument_of(range.start, n),
        first.argument_of(entry, 1),
        squares.argument_of(entry, bits as usize),
        count(n),
    ];
    // SAFETY: lengths are asserted by `argument_of`: a square for each bit of a row, and the ninth, by which powers go on.
    unsafe { out.device().launch("columns_powers", rows(n), &arguments) }
}

/// `first ratio^i` for `i < n`: the points of a coset, for one. Cost: three multiplications an element.
///
/// # Errors
/// [`DeviceError`]; so have all functions here.
///
/// # Panics
/// If there are more than `2^31` elements, or if buffers are on different devices; so do all functions here.
pub fn powers(device: &Arc<dyn Device>, first: Fr, ratio: Fr, n: usize) -> Result<Buffer<Fr>, DeviceError> {
    let mut out = Buffer::new(device, n)?;
    if n > 0 {
        let first = Buffer::from_slice(device, &[first])?;
        let squares = Buffer::from_slice(device, &squares(ratio))?;
        launch_powers(&mut out, 0..n, &first, &squares, 0)?;
    }
    Ok(out)
}

/// `sum_i factor_i p_i + linear X + top X^n`: `n + 1` coefficients. Cost: a multiplication an element and a term.
///
/// # Errors
/// As [`powers`].
///
/// # Panics
/// If a polynomial has more than `n + 1` coefficients, or if `n` is 0; as [`powers`].
pub fn combine(
    device: &Arc<dyn Device>,
    n: usize,
    terms: &[(Fr, &Buffer<Fr>)],
    linear: Fr,
    top: Fr,
) -> Result<Buffer<Fr>, DeviceError> {
    assert!(n > 0, "X is a term");
    let [number, degree] = [terms.len(), n].map(count);
    let polynomials: Vec<&Buffer<Fr>> = terms.iter().map(|(_, polynomial)| *polynomial).collect();
    on_one_device(device, polynomials.iter().copied());
    assert!(polynomials.iter().all(|polynomial| polynomial.len() <= n + 1), "of degree {n} at most");
    let mut host: Vec<Fr> = [linear, top].into_iter().chain(terms.iter().map(|(factor, _)| *factor)).collect();
    let factors = Buffer::from_slice(device, &host);
    // What blinds is among them.
    wipe(&mut host, Fr::ZERO);
    let factors = factors?;
    let polynomials = places(device, &polynomials)?;
    let out = Buffer::new(device, n + 1)?;
    let arguments = [out.argument(), polynomials.argument(), factors.argument(), number, degree];
    // SAFETY: `out` has `n + 1` elements, of which polynomials have no more by the assertion above; each has a place, and a factor after the first two.
    unsafe { device.launch("columns_combine", elementwise(n + 1), &arguments) }?;
    Ok(out)
}

/// Where polynomials are and how many coefficients they have, for kernels; never empty.
fn places(device: &Arc<dyn Device>, polynomials: &[&Buffer<Fr>]) -> Result<Buffer<u64>, DeviceError> {
    let mut words: Vec<u64> = polynomials.iter().flat_map(|p| [p.address().0, p.len() as u64]).collect();
    words.resize(words.len().max(2), 0);
    Buffer::from_slice(device, &words)
}

/// The values of one of a domain's Lagrange polynomials on a coset: `L(x) = (x^n - 1) at / (n (x - at))`, which is 1 at `at = omega^row` and 0 at the
/// other powers of `omega`. `points` are `shift omega^i`, by [`powers`]. Cost: that of [`batch_invert`], and a multiplication an element.
///
/// # Errors
/// As [`powers`].
///
/// # Panics
/// If there are no points, or if the coset is the domain itself; as [`powers`].
pub fn lagrange(points: &Buffer<Fr>, shift: Fr, at: Fr) -> Result<Buffer<Fr>, DeviceError> {
    let (device, n) = (points.device(), points.len());
    let vanishing = shift.pow_vartime([n as u64]) - Fr::ONE;
    let scale = Fr::from(n as u64) * (vanishing * at).invert().expect("a coset of other elements");
    let factors = Buffer::from_slice(device, &[scale, -at * scale])?;
    let mut values = Buffer::new(device, n)?;
    let arguments = [values.argument(), points.argument(), factors.argument(), count(n)];
    // SAFETY: `values` has as many elements as `points`, and there are two factors.
    unsafe { device.launch("columns_affine", elementwise(n), &arguments) }?;
    batch_invert(&mut values)?;
    Ok(values)
}

/// The pieces `h_l` of a polynomial `sum_l h_l X^(n l)` in place of the coefficients of what has its values on four cosets, which make up one coset of
/// `4 n` elements, in order. Cost: five multiplications an element.
///
/// With `c = shift_0^n` and `i` of order 4: `shift_j^n = c i^j`, so coset `j` has `b_j = sum_l (c i^j)^l h_l`, coefficient by coefficient, once the
/// powers of the shift are taken out; `h_l = c^(-l) / 4 sum_j i^(-j l) b_j`.
///
/// # Errors
/// As [`powers`].
///
/// # Panics
/// If the numbers of coefficients differ, or if a shift is 0; as [`powers`].
pub fn pieces(cosets: &mut [Buffer<Fr>; 4], shifts: &[Fr; 4]) -> Result<(), DeviceError> {
    let (device, n) = (cosets[0].device(), cosets[0].len());
    assert!(cosets.iter().all(|coset| coset.len() == n), "cosets of one domain");
    on_one_device(device, cosets.iter());
    if n == 0 {
        return Ok(());
    }
    let inverse = |value: Fr| value.invert().expect("not 0");
    let [c, next] = [0, 1].map(|j| shifts[j].pow_vartime([n as u64]));
    let (c_inverse, quarter) = (inverse(c), inverse(Fr::from(4)));
    let mut scalars = vec![c * inverse(next)];
    scalars.extend((0..4).map(|l| c_inverse.pow_vartime([l]) * quarter));
    let back: Vec<Fr> = shifts.iter().flat_map(|shift| squares(inverse(*shift))).collect();
    let scalars = Buffer::from_slice(device, &scalars)?;
    let back = Buffer::from_slice(device, &back)?;
    let [a, b, c, d] = cosets.each_ref().map(Buffer::argument);
    let arguments = [a, b, c, d, scalars.argument(), back.argument(), count(n)];
    // SAFETY: all four have `n` elements by the assertion above, and are borrowed mutably. There are five scalars and a table of squares for each.
    unsafe { device.launch("columns_pieces", rows(n), &arguments) }
}
