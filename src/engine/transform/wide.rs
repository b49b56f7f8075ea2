//! Transforms of `n = n1 n2` elements eight columns at a time, in two passes over memory.
//!
//! ```text
//! X[u + n1 v] = sum_j  w2^(j v)  omega^(j u)  sum_i  w1^(i u) a[i n2 + j]      w1 = omega^n2, w2 = omega^n1
//!                      second    twiddles     first pass
//! ```
//!
//! The first pass takes eight neighbouring `j` at a time, the second eight neighbouring `u`: eight by eight blocks are
//! transposed in between. A block and the factors of a pass fit into the caches close to the core.
//!
//! Elements come and go as halo2curves has them, in the Montgomery form for `2^256`: the factors of a pass keep the
//! form, and the twiddles make up for the `2^260` of their products, and for the `2^28` that [`Ifma::divide`] takes.

use super::passes::{MAX_LEVELS, Roots, Source, transform};
use crate::engine::ifma::{Ifma, Wide, limbs52};
use crate::engine::lanes::wide::{Factor, Packed, element, factor, read, write};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use pulp::{NullaryFnOnce, cast};

/// The largest `k`: both passes have at most [`MAX_LEVELS`] levels.
pub(super) const MAX_K: u32 = 2 * MAX_LEVELS;
/// The smallest `k`: both passes need eight columns.
pub(super) const MIN_K: u32 = 6;
/// The power of two that is divided away at the end, and makes the result almost reduced.
const SPARE: u32 = 28;

/// What a transform on one coset needs. The domain itself is the coset of 1.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// See [`Roots`].
    factors: Vec<Factor>,
    plain: bool,
    /// `(shift omega^u)^j 2^(260 + 28)`, lanes `j .. j + 8`, for `u < n1`, for every eighth `j`.
    twiddles: Vec<Wide>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct WideTransform {
    ifma: Ifma,
    k: u32,
    omega: Fr,
    tables: Tables,
}

/// The limbs of the integer below `p` that `value` stands for.
fn integer(value: Fr) -> [u64; 5] {
    limbs52(value.into())
}

/// `2^exponent`
fn two_to(exponent: u64) -> Fr {
    Fr::from(2).pow_vartime([exponent])
}

impl WideTransform {
    /// `None` if the processor does not have the instructions, or `k` is not in range. Cost: `n` multiplications.
    pub(super) fn new(k: u32, omega: Fr) -> Option<Self> {
        let ifma = Ifma::try_new().filter(|_| (MIN_K..=MAX_K).contains(&k))?;
        let tables = Tables { factors: Vec::new(), plain: true, twiddles: Vec::new() };
        let mut new = Self { ifma, k, omega, tables };
        new.tables = new.coset(Fr::ONE);
        Some(new)
    }

    /// `n1` and `n2`.
    fn sides(&self) -> [usize; 2] {
        [1 << self.k.div_ceil(2), 1 << (self.k / 2)]
    }

    /// The tables for the coset of `shift`. Cost: `n` multiplications.
    pub(super) fn coset(&self, shift: Fr) -> Tables {
        let [n1, n2] = self.sides();
        let factors = factors(n1, shift.pow_vartime([n2 as u64]), self.omega.pow_vartime([n2 as u64]));
        let mut twiddles = Vec::with_capacity(n1 * n2 / 8);
        let (form, first) = (two_to(260), two_to(u64::from(260 + SPARE)));
        let (mut at, mut start) = (Fr::ONE, first);
        for _ in 0..n2 / 8 {
            let (mut steps, mut starts) = ([[0; 8]; 5], [[0; 8]; 5]);
            for lane in 0..8 {
                for (j, limb) in integer(at * form).into_iter().enumerate() {
                    steps[j][lane] = limb;
                }
                for (j, limb) in integer(start).into_iter().enumerate() {
                    starts[j][lane] = limb;
                }
                (at, start) = (at * self.omega, start * shift);
            }
            let [step, start] = [steps, starts].map(|limbs| limbs.map(cast));
            self.ifma.vectorize(Powers { ifma: self.ifma, start, step, count: n1, out: &mut twiddles });
        }
        Tables { factors, plain: shift == Fr::ONE, twiddles }
    }

    /// `a[i]` becomes `sum_j a[j] omega^(i j)`.
    pub(super) fn evaluate(&self, a: &mut [Fr]) {
        let middle = self.first_pass(&self.tables, a);
        self.second_pass(&middle, SPARE, false, a);
    }

    /// The inverse of [`Self::evaluate`].
    pub(super) fn interpolate(&self, a: &mut [Fr]) {
        let middle = self.first_pass(&self.tables, a);
        self.second_pass(&middle, SPARE + self.k, true, a);
    }

    /// `out[i] = sum_j a[j] (shift omega^i)^j`.
    pub(super) fn evaluate_on_coset(&self, a: &[Fr], tables: &Tables, out: &mut [Fr]) {
        self.second_pass(&self.first_pass(tables, a), SPARE, false, out);
    }

    /// The inner sums times the twiddles: eight by eight blocks, those of the same `j` together.
    fn first_pass(&self, tables: &Tables, a: &[Fr]) -> Vec<Wide> {
        let (ifma, [n1, n2]) = (self.ifma, self.sides());
        assert_eq!(a.len(), n1 * n2, "a polynomial of the domain's size");
        let mut values = vec![[cast([0u64; 8]); 5]; n1];
        let mut middle = Vec::with_capacity(n1 * n2 / 8);
        let roots = Roots { factors: &tables.factors, plain: tables.plain };
        for (block, twiddles) in tables.twiddles.chunks_exact(n1).enumerate() {
            let source = Columns { elements: a, first: 8 * block, stride: n2 };
            ifma.vectorize(First { ifma, source, roots, twiddles, values: &mut values, middle: &mut middle });
        }
        middle
    }

    /// The outer sums divided by `2^(bits - SPARE)`; backwards, element `i` is at `n - i`.
    fn second_pass(&self, middle: &[Wide], bits: u32, backwards: bool, out: &mut [Fr]) {
        let (ifma, [n1, n2]) = (self.ifma, self.sides());
        let mut values = vec![[cast([0u64; 8]); 5]; n2];
        let roots = Roots { factors: &self.tables.factors, plain: true };
        for block in 0..n1 / 8 {
            let source = Blocks { middle, block, stride: n1 };
            let out = Out { elements: out, first: 8 * block, stride: n1, backwards };
            ifma.vectorize(Second { ifma, source, roots, bits, values: &mut values, out });
        }
    }
}

/// The factors of [`Roots`] for transforms of up to `m` elements on the coset of `shift`: with `s_h = shift^(m / 2h)`
/// and `w_h` the root of order `2h`, those of level `h` are `s_h w_h^j`.
fn factors(m: usize, shift: Fr, root: Fr) -> Vec<Factor> {
    let mut factors = vec![[[0; 5]; 5]; m];
    let (mut root, mut shift, mut h) = (root, shift, m / 2);
    while h > 0 {
        let mut power = shift;
        for prepared in &mut factors[h..2 * h] {
            *prepared = factor(power);
            power *= root;
        }
        (root, shift, h) = (root.square(), shift.square(), h / 2);
    }
    factors
}

/// Appends `start step^u` for `u < count`, reduced and in limbs of 52 bits.
struct Powers<'a> {
    ifma: Ifma,
    start: Wide,
    step: Wide,
    count: usize,
    out: &'a mut Vec<Wide>,
}

impl NullaryFnOnce for Powers<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { ifma, start, step, count, out } = self;
        let mut power = start;
        for _ in 0..count {
            out.push(power);
            power = ifma.reduce(ifma.mul([power; 2], [step; 2])[0]);
        }
    }
}

/// Eight neighbouring columns of a matrix of elements.
#[derive(Clone, Copy)]
struct Columns<'a> {
    elements: &'a [Fr],
    first: usize,
    stride: usize,
}

impl Source for Columns<'_> {
    const BOUND: u64 = 1;

    #[inline(always)]
    fn get(self, ifma: Ifma, index: usize) -> Wide {
        let mut packed = [[0; 8]; 4];
        read(&self.elements[index * self.stride + self.first..][..8], &mut packed);
        ifma.load(&packed)
    }
}

/// Where the second pass writes eight neighbouring columns.
struct Out<'a> {
    elements: &'a mut [Fr],
    first: usize,
    stride: usize,
    backwards: bool,
}

impl Out<'_> {
    #[inline(always)]
    fn set(&mut self, index: usize, packed: &Packed) {
        let (at, n) = (index * self.stride + self.first, self.elements.len());
        if !self.backwards {
            write(packed, &mut self.elements[at..][..8]);
        } else if at == 0 {
            // Element 0 stays.
            self.elements[0] = element(packed, 0);
            for lane in 1..8 {
                self.elements[n - lane] = element(packed, lane);
            }
        } else {
            let out = &mut self.elements[n - at - 7..][..8];
            for lane in 0..8 {
                out[7 - lane] = element(packed, lane);
            }
        }
    }
}

/// First pass over eight columns: appends the eight by eight blocks for the second.
struct First<'a> {
    ifma: Ifma,
    source: Columns<'a>,
    roots: Roots<'a>,
    twiddles: &'a [Wide],
    values: &'a mut [Wide],
    middle: &'a mut Vec<Wide>,
}

impl NullaryFnOnce for First<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { ifma, source, roots, twiddles, values, middle } = self;
        transform(ifma, source, roots, values);
        for (rows, twiddles) in values.as_chunks::<8>().0.iter().zip(twiddles.as_chunks::<8>().0) {
            let mut block = *rows;
            for row in (0..8).step_by(2) {
                let values = [ifma.carry(rows[row]), ifma.carry(rows[row + 1])];
                [block[row], block[row + 1]] = ifma.mul(values, [twiddles[row], twiddles[row + 1]]);
            }
            let mut turned = block;
            for limb in 0..5 {
                let mut matrix = [block[0][limb]; 8];
                for row in 1..8 {
                    matrix[row] = block[row][limb];
                }
                let columns = ifma.transpose(matrix);
                for column in 0..8 {
                    turned[column][limb] = columns[column];
                }
            }
            middle.extend_from_slice(&turned);
        }
    }
}

/// What the first pass left for eight rows of the second.
#[derive(Clone, Copy)]
struct Blocks<'a> {
    middle: &'a [Wide],
    block: usize,
    /// Vectors between one block and the next of the same rows.
    stride: usize,
}

impl Source for Blocks<'_> {
    const BOUND: u64 = 2;

    #[inline(always)]
    fn get(self, _: Ifma, index: usize) -> Wide {
        self.middle[index / 8 * self.stride + 8 * self.block + index % 8]
    }
}

/// Second pass over eight rows.
struct Second<'a> {
    ifma: Ifma,
    source: Blocks<'a>,
    roots: Roots<'a>,
    bits: u32,
    values: &'a mut [Wide],
    out: Out<'a>,
}

impl NullaryFnOnce for Second<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { ifma, source, roots, bits, values, mut out } = self;
        transform(ifma, source, roots, values);
        for (index, value) in values.iter().enumerate() {
            out.set(index, &ifma.store(ifma.divide(*value, bits)));
        }
    }
}
