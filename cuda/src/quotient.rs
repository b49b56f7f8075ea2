//! The quotient on a coset: see `kernels/quotient.cu`.

use crate::device::{Address, Argument, Buffer, DeviceError, Launch, on_one_device};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// Columns under the copy argument.
const COPIED: usize = 3;
const COPY_CONSTRAINTS: usize = 3;
/// Constraints by the ids that all shapes have. A shape's own are before them.
const SHARED_CONSTRAINTS: usize = 12;
/// Threads of a block.
const BLOCK: u32 = 128;

/// Shapes of the machine; each has a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotientShape {
    /// One activation a row.
    Single,
    /// Two activations a row.
    Paired,
}

impl QuotientShape {
    const fn kernel(self) -> &'static str {
        match self {
            Self::Single => "quotient_single",
            Self::Paired => "quotient_paired",
        }
    }

    /// Advice columns.
    const fn advice(self) -> usize {
        match self {
            Self::Single => 12,
            Self::Paired => 16,
        }
    }

    /// Fixed columns.
    const fn fixed(self) -> usize {
        match self {
            Self::Single => 8,
            Self::Paired => 10,
        }
    }

    /// Constraints of the machine.
    const fn constraints(self) -> usize {
        match self {
            Self::Single => SHARED_CONSTRAINTS,
            Self::Paired => 1 + SHARED_CONSTRAINTS,
        }
    }
}

/// Values on the points of a coset, in their order. All columns have the same length, any but 0.
#[derive(Clone, Copy, Debug)]
pub struct QuotientColumns<'a> {
    /// `r q y e m omega hW hX hY z P phi`, or `r0 q0 y0 r q y m e omega hW hX hY z P psi phi` with two activations a row.
    pub advice: &'a [&'a Buffer<Fr>],
    /// The instance column.
    pub instance: &'a Buffer<Fr>,
    /// `t_tag t_in t_out tag kappa opP opX opY`, then `laneX laneY` with two activations a row.
    pub fixed: &'a [&'a Buffer<Fr>],
    /// Names of the cells that `y`, `z`, `P` are equal to.
    pub permutation: [&'a Buffer<Fr>; COPIED],
    /// The product of the copy argument.
    pub product: &'a Buffer<Fr>,
    /// The polynomial that is 1 on the usable rows and 0 on the others.
    pub usable: &'a Buffer<Fr>,
    /// The points themselves.
    pub points: &'a Buffer<Fr>,
    /// The Lagrange polynomials of the first and the last usable row.
    pub lagrange: [&'a Buffer<Fr>; 2],
}

impl QuotientColumns<'_> {
    /// In the order of the kernels' `SharedColumn`, then of the shape's `Column`.
    fn buffers(&self) -> impl Iterator<Item = &Buffer<Fr>> {
        let shared = [self.instance].into_iter().chain(self.permutation);
        let shared = shared.chain([self.product, self.usable, self.points]).chain(self.lagrange);
        shared.chain(self.advice.iter().chain(self.fixed).copied())
    }

    fn addresses(&self) -> Vec<u64> {
        let address = |buffer: &Buffer<Fr>| {
            let Address(address) = buffer.address();
            address
        };
        self.buffers().map(address).collect()
    }
}

/// What the quotient depends on besides the columns.
#[derive(Clone, Debug)]
pub struct QuotientConstants {
    /// The machine's challenges: `R`.
    pub channel: Fr,
    /// `u`.
    pub position: Fr,
    /// Of lookups: what compresses a row.
    pub alpha: Fr,
    /// Of lookups: the offset.
    pub lookup_beta: Fr,
    /// Factors of the machine's constraints, in the order of its gate: powers of the challenge that folds them, times what is the same on all of the
    /// coset, the inverse of the vanishing polynomial. There are 12, or 13 with two activations a row.
    pub weights: Vec<Fr>,
    /// Of the copy argument: factor of a cell's name.
    pub beta: Fr,
    /// Of the copy argument: the offset.
    pub gamma: Fr,
    /// `beta delta^j` for column `j`.
    pub names: [Fr; COPIED],
    /// Factors, as `weights`, of `L_first (1 - Z)`, `L_last (Z^2 - Z)` and `usable (Z' prod (v + beta s + gamma) - Z prod (v + names X + gamma))`.
    pub copies: [Fr; COPY_CONSTRAINTS],
}

impl QuotientConstants {
    /// In the order of the kernels' `SharedConstant`, then of the shape's `Constant`.
    fn elements(&self, shape: QuotientShape) -> Vec<Fr> {
        let small = Fr::from;
        let [sum, end, first_phi, first_r, first_u, rim, chain_x, expose_x, chain_y, expose_y, chain_w, product] =
            *self.weights.last_chunk::<SHARED_CONSTRAINTS>().expect("those that all shapes have");
        let [name_y, name_z, name_p] = self.names;
        let [copy_first, copy_last, copy_step] = self.copies;
        let shared = [
            small(3),
            small(6),
            self.channel,
            self.position,
            self.alpha,
            self.alpha.square(),
            self.lookup_beta,
            sum,
            end,
            first_phi,
            first_r,
            first_u,
            rim,
            -inverse(2) * chain_w,
            inverse(2) * product,
            inverse(6) * product,
            self.beta,
            self.gamma,
            name_y,
            name_z,
            name_p,
            copy_first,
            copy_last,
            copy_step,
        ];
        let chains = [chain_x, expose_x, chain_y, expose_y];
        let own = match shape {
            QuotientShape::Single => self.single(chains),
            QuotientShape::Paired => self.paired(chains),
        };
        shared.into_iter().chain(own).collect()
    }

    /// In the order of the kernel's `Single::Constant`.
    fn single(&self, [chain_x, expose_x, chain_y, expose_y]: [Fr; 4]) -> Vec<Fr> {
        vec![
            self.position.double(),
            self.position.double() + self.position,
            inverse(2) * chain_x,
            expose_x,
            inverse(6) * chain_y,
            inverse(2) * expose_y,
        ]
    }

    /// In the order of the kernel's `Paired::Constant`.
    fn paired(&self, [chain_x, expose_x, chain_y, expose_y]: [Fr; 4]) -> Vec<Fr> {
        let [one, two, three] = [1, 2, 3].map(Fr::from);
        let u = self.position;
        let square = u.square();
        let lookup_part = self.weights[0];
        // By lane code: the weight of the earlier element, and the native step times the code.
        let chain = |weight: Fr, expose: Fr, earlier: [Fr; 3], native: [Fr; 3]| {
            let scaled = |values| quadratic(values).map(|coefficient| weight * coefficient);
            [inverse(2) * weight, expose].into_iter().chain(scaled(earlier)).chain(scaled(native))
        };
        let consumer = chain(chain_x, expose_x, [Fr::ZERO, u, one], [u, two * square, three * u]);
        let producer = chain(chain_y, expose_y, [Fr::ZERO, u, square], [u, two * square, three * square.square()]);
        [two, lookup_part].into_iter().chain(consumer).chain(producer).collect()
    }
}

fn inverse(value: u64) -> Fr {
    Fr::from(value).invert().expect("a small non-zero integer")
}

/// The quadratic polynomial in `v` with these values at 1, 2, 3, by its coefficients of `1`, `v` and `v (v - 3)`.
fn quadratic([one, two, three]: [Fr; 3]) -> [Fr; 3] {
    let linear = two - one;
    let constant = three - linear.double() - linear;
    [constant, linear, inverse(2) * (constant + linear - one)]
}

/// Starts to write the quotient to `out`: on each point the sum of all constraints times their weights. The row after the last is the first.
///
/// Cost: 67 multiplications a row, or 85 with two activations.
///
/// # Errors
/// [`DeviceError::Failed`], [`DeviceError::OutOfMemory`].
///
/// # Panics
/// If there are more or fewer columns or weights than the shape has, if a column has another length than `out` or is on another device, or if that length is
/// `2^32` or more.
pub fn quotient(
    shape: QuotientShape,
    columns: &QuotientColumns<'_>,
    constants: &QuotientConstants,
    out: &mut Buffer<Fr>,
) -> Result<(), DeviceError> {
    let n = out.len();
    assert_eq!(columns.advice.len(), shape.advice(), "advice columns of the shape");
    assert_eq!(columns.fixed.len(), shape.fixed(), "fixed columns of the shape");
    assert_eq!(constants.weights.len(), shape.constraints(), "constraints of the shape");
    assert!(columns.buffers().all(|column| column.len() == n), "columns of one length");
    let device = out.device();
    on_one_device(device, columns.buffers());
    let addresses = Buffer::from_slice(device, &columns.addresses())?;
    let constants = Buffer::from_slice(device, &constants.elements(shape))?;
    let count = Argument::U32(u32::try_from(n).expect("a coset is smaller"));
    let arguments = [out.argument(), addresses.argument(), constants.argument(), count];
    // SAFETY: `out` and all columns have `n` elements, and columns and weights are those of the shape, by the assertions above; `buffers` and `elements` have the
    // order and the number of the kernel's. `out` is borrowed mutably, so it is none of the columns.
    unsafe { device.launch(shape.kernel(), Launch::threads(n, BLOCK), &arguments) }
}
