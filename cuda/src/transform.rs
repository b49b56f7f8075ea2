//! Transforms over a subgroup of `2^k` elements and its cosets.

use crate::columns::{launch_powers, squares};
use crate::device::{Argument, Buffer, Device, DeviceError, Launch, on_one_device};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most threads of a block.
const THREADS: u32 = 256;
/// Most elements of a launch.
const MOST: usize = 1 << 31;
/// Words that say where a column is.
const PLACES: usize = 3;

/// How the stages of a transform are cut into passes over memory. All ways give the same elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// Most stages of a pass. Three passes must do.
    pub stages: u32,
    /// Logarithm of the elements that a block has in shared memory: at least `stages`, at most 12; 11 are 64 KiB.
    pub tile: u32,
    /// Elements that one launch works on, unless one column has more: those of a few columns, which fill a device. As many are borrowed meanwhile.
    pub elements: usize,
}

impl Default for Passes {
    fn default() -> Self {
        Self { stages: 10, tile: 11, elements: 1 << 23 }
    }
}

/// What is transformed, and where to: another column, or the same.
struct Column<'a> {
    from: &'a Buffer<Fr>,
    to: &'a Buffer<Fr>,
}

struct Pass {
    /// Stages of passes before.
    before: u32,
    bits: u32,
    /// Stages of the first of several passes, or 0.
    first: u32,
    /// Logarithm of the transforms that a block does side by side.
    wide: u32,
}

impl Passes {
    fn cut(self, k: u32) -> Vec<Pass> {
        let count = k.div_ceil(self.stages);
        let stages = |pass: u32| k / count + u32::from(pass < k % count);
        let first = if count > 1 { stages(0) } else { 0 };
        let mut before = 0;
        let pass = |index| {
            let bits = stages(index);
            let after = k - before - bits;
            // Transforms whose elements are next to each other: where they are written, in the last pass.
            let neighbours = if after > 0 { after } else { first };
            before += bits;
            Pass { before: before - bits, bits, first, wide: neighbours.min(self.tile - bits) }
        };
        (0..count).map(pass).collect()
    }
}

/// The powers of a root of unity, in order, on a device.
pub struct Domain {
    device: Arc<dyn Device>,
    k: u32,
    omega: Fr,
    passes: Passes,
    /// What a coset's transforms multiply with, for the domain itself.
    own: Coset,
    /// What passes leave for the next. Holds what was transformed last, until the domain is dropped.
    scratch: Mutex<Option<Buffer<Fr>>>,
}

/// A coset of a [`Domain`]: 32 bytes an element.
#[derive(Debug)]
pub struct Coset {
    /// `shift^(n / 2h) omega^(r n / 2h)` at `h + r`, for each power of two `h < n` and `r < h`; nothing at 0.
    twiddles: Buffer<Fr>,
}

impl std::fmt::Debug for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Domain(2^{} elements)", self.k)
    }
}

impl Domain {
    /// The powers of `omega`, of order `2^k`. Cost: three multiplications an element; 32 bytes an element are kept, and what the transforms
    /// borrow: 256 MiB or a column, whichever is more.
    ///
    /// # Errors
    /// [`DeviceError`]; so have the methods below.
    ///
    /// # Panics
    /// If `k` is not in `1..=24`, or `omega` has another order.
    pub fn new(device: &Arc<dyn Device>, k: u32, omega: Fr) -> Result<Self, DeviceError> {
        Self::with_passes(device, k, omega, Passes::default())
    }

    /// A domain whose transforms are cut in another way: for tuning, and for tests.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Panics
    /// As [`Self::new`], and if the passes are not as [`Passes`] says.
    pub fn with_passes(device: &Arc<dyn Device>, k: u32, omega: Fr, passes: Passes) -> Result<Self, DeviceError> {
        assert!((1..=24).contains(&k), "a domain of 2^{k} elements");
        assert_eq!(omega.pow_vartime([1 << (k - 1)]), -Fr::ONE, "a root of unity of order 2^{k}");
        let Passes { stages, tile, .. } = passes;
        assert!(stages >= 1 && k <= 3 * stages && stages <= tile && tile <= 12, "2^{k} elements by {passes:?}");
        let own = coset(device, k, omega, Fr::ONE)?;
        Ok(Self { device: device.clone(), k, omega, passes, own, scratch: Mutex::default() })
    }

    /// Number of elements.
    #[must_use]
    pub const fn n(&self) -> usize {
        1 << self.k
    }

    /// The generator.
    #[must_use]
    pub const fn omega(&self) -> Fr {
        self.omega
    }

    /// Values from coefficients, in place: `a[i]` becomes `sum_j a[j] omega^(i j)`.
    ///
    /// Cost: `k / 2` multiplications an element; an element is read and written once for each pass, of up to ten stages.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Panics
    /// If a column has not `n` elements, or is on another device.
    pub fn evaluate(&self, columns: &mut [&mut Buffer<Fr>]) -> Result<(), DeviceError> {
        self.run(&self.own, &Self::in_place(columns), false)
    }

    /// Coefficients from values, in place: the inverse of [`Self::evaluate`], at its cost.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Panics
    /// As [`Self::evaluate`].
    pub fn interpolate(&self, columns: &mut [&mut Buffer<Fr>]) -> Result<(), DeviceError> {
        self.run(&self.own, &Self::in_place(columns), true)
    }

    /// The coset of `shift`, for [`Self::evaluate_on_coset`]. Cost: three multiplications an element.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn coset(&self, shift: Fr) -> Result<Coset, DeviceError> {
        coset(&self.device, self.k, self.omega, shift)
    }

    /// Values of each polynomial at `shift omega^i`, at the cost of [`Self::evaluate`]. Coefficients that are not there are 0.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Panics
    /// If there are not as many values as polynomials, if one of the latter has more than `n` coefficients, if one of the former has not `n`
    /// elements, if the coset is of another size, or if any of them is on another device.
    pub fn evaluate_on_coset(
        &self,
        polynomials: &[&Buffer<Fr>],
        coset: &Coset,
        values: &mut [&mut Buffer<Fr>],
    ) -> Result<(), DeviceError> {
        assert_eq!(polynomials.len(), values.len(), "values for each polynomial");
        let columns = polynomials.iter().zip(values).map(|(from, to)| Column { from, to });
        self.run(coset, &columns.collect::<Vec<_>>(), false)
    }

    fn in_place<'a>(columns: &'a [&mut Buffer<Fr>]) -> Vec<Column<'a>> {
        columns.iter().map(|column| Column { from: column, to: column }).collect()
    }

    /// Transforms columns, of which nobody else has those that are written.
    fn run(&self, coset: &Coset, columns: &[Column<'_>], inverse: bool) -> Result<(), DeviceError> {
        assert_eq!(coset.twiddles.len(), self.n(), "a coset of another domain");
        for Column { from, to } in columns {
            assert_eq!(to.len(), self.n(), "a column of the domain's size");
            assert!(from.len() <= self.n(), "{} coefficients in a domain of 2^{}", from.len(), self.k);
            on_one_device(&self.device, [*from, *to, &coset.twiddles]);
        }
        let passes = self.passes.cut(self.k);
        // Kernels count blocks in 32 bits.
        let group = (self.passes.elements >> self.k).clamp(1, MOST >> self.k);
        let borrowed = if passes.len() > 1 { columns.len().min(group) } else { 0 };
        // Held until everything is launched: launches take effect in their order, so that the next to hold it overwrites nothing.
        let scratch = self.scratch(borrowed)?;
        for columns in columns.chunks(group) {
            let places = self.places(columns, passes.len(), scratch.as_ref());
            let places = Buffer::from_slice(&self.device, &places)?;
            for (index, pass) in passes.iter().enumerate() {
                let at = places.argument_of(index * columns.len() * PLACES, columns.len() * PLACES);
                let (launch, arguments) = self.pass(pass, at, columns.len(), coset, inverse);
                // SAFETY: lengths are asserted above, of scratch memory in `places`, of the places by `argument_of`. The table has `n` entries, and `cut` makes
                // passes that stay within them. Other columns, and the scratch memory, are nobody else's.
                unsafe { self.device.launch("ntt_pass", launch, &arguments) }?;
            }
        }
        Ok(())
    }

    /// Room for `columns` columns.
    fn scratch(&self, columns: usize) -> Result<MutexGuard<'_, Option<Buffer<Fr>>>, DeviceError> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let elements = columns * self.n();
        if scratch.as_ref().map_or(0, Buffer::len) < elements {
            *scratch = None;
            *scratch = Some(Buffer::new(&self.device, elements)?);
        }
        Ok(scratch)
    }

    /// Where each pass reads and writes each column: all but the last write to scratch memory, since the last changes the order.
    fn places(&self, columns: &[Column<'_>], passes: usize, scratch: Option<&Buffer<Fr>>) -> Vec<u64> {
        let between = |column: usize| scratch.expect("borrowed for several passes").at(column * self.n(), self.n()).0;
        let place = |pass: usize, column: usize| {
            let Column { from, to } = columns[column];
            let (from, length) = if pass == 0 { (from.address().0, from.len()) } else { (between(column), self.n()) };
            [from, if pass + 1 == passes { to.address().0 } else { between(column) }, length as u64]
        };
        (0..passes).flat_map(|pass| (0..columns.len()).flat_map(move |column| place(pass, column))).collect()
    }

    /// How a pass is launched on that many columns.
    fn pass(
        &self,
        pass: &Pass,
        places: Argument,
        columns: usize,
        coset: &Coset,
        inverse: bool,
    ) -> (Launch, [Argument; 9]) {
        let tile = pass.bits + pass.wide;
        let launch = Launch {
            grid: [(columns as u32) << (self.k - tile), 1, 1],
            block: ((1 << tile) / 4).clamp(32, THREADS),
            shared: 32 << tile,
        };
        let [columns, inverse] = [columns as u32, inverse.into()].map(Argument::U32);
        let [k, before, first, bits, wide] = [self.k, pass.before, pass.first, pass.bits, pass.wide].map(Argument::U32);
        (launch, [places, coset.twiddles.argument(), columns, k, before, first, bits, wide, inverse])
    }
}

/// Every stage multiplies by powers of a power of `omega`, times a power of `shift`.
fn coset(device: &Arc<dyn Device>, k: u32, omega: Fr, shift: Fr) -> Result<Coset, DeviceError> {
    let mut twiddles = Buffer::new(device, 1 << k)?;
    let shifts = Buffer::from_slice(device, &squares(shift))?;
    let omegas = Buffer::from_slice(device, &squares(omega))?;
    for stage in 0..k as usize {
        let half = 1 << (k as usize - 1 - stage);
        launch_powers(&mut twiddles, half..2 * half, &shifts, &omegas, stage)?;
    }
    Ok(Coset { twiddles })
}
