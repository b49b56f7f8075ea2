//! The quotient on a coset: see `kernels/quotient.cu`.

use crate::device::{Address, Argument, Buffer, DeviceError, Launch};
use halo2_proofs::halo2curves::bn256::Fr;

const ADVICE: usize = 12;
const FIXED: usize = 8;
/// Columns under the copy argument.
const COPIED: usize = 3;
const COLUMNS: usize = ADVICE + 1 + FIXED + COPIED + 5;
const CONSTRAINTS: usize = 12;
const COPY_CONSTRAINTS: usize = 3;
const CONSTANTS: usize = 9 + CONSTRAINTS + 2 + COPIED + COPY_CONSTRAINTS;
/// Threads of a block.
const BLOCK: u32 = 128;

/// Values on the points of a coset, in their order. All columns have the same length, any but 0.
#[derive(Clone, Copy, Debug)]
pub struct QuotientColumns<'a> {
    /// `r q y e m omega hW hX hY z P phi`.
    pub advice: [&'a Buffer<Fr>; ADVICE],
    /// The instance column.
    pub instance: &'a Buffer<Fr>,
    /// `t_tag t_in t_out tag kappa opP opX opY`.
    pub fixed: [&'a Buffer<Fr>; FIXED],
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
    /// In the order of the kernel's `Column`.
    fn buffers(&self) -> impl Iterator<Item = &Buffer<Fr>> {
        let rest = [self.product, self.usable, self.points];
        let proof = self.advice.into_iter().chain([self.instance]);
        proof.chain(self.fixed).chain(self.permutation).chain(rest).chain(self.lagrange)
    }

    fn addresses(&self) -> [u64; COLUMNS] {
        let mut addresses = [0; COLUMNS];
        for (to, buffer) in addresses.iter_mut().zip(self.buffers()) {
            let Address(address) = buffer.address();
            *to = address;
        }
        addresses
    }
}

/// What the quotient depends on besides the columns.
#[derive(Clone, Copy, Debug)]
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
    /// coset, the inverse of the vanishing polynomial.
    pub weights: [Fr; CONSTRAINTS],
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
    /// In the order of the kernel's `Constant`.
    fn elements(&self) -> [Fr; CONSTANTS] {
        let small = Fr::from;
        let inverse = |value: u64| small(value).invert().expect("a small non-zero integer");
        let [half, sixth] = [inverse(2), inverse(6)];
        let [sum, end, first_phi, first_r, first_u, rim, chain_x, expose_x, chain_y, expose_y, chain_w, product] =
            self.weights;
        let [name_y, name_z, name_p] = self.names;
        let [copy_first, copy_last, copy_step] = self.copies;
        [
            small(3),
            small(6),
            self.channel,
            self.position,
            small(2) * self.position,
            small(3) * self.position,
            self.alpha,
            self.alpha.square(),
            self.lookup_beta,
            sum,
            end,
            first_phi,
            first_r,
            first_u,
            rim,
            half * chain_x,
            expose_x,
            sixth * chain_y,
            half * expose_y,
            -half * chain_w,
            sixth * product,
            self.beta,
            self.gamma,
            name_y,
            name_z,
            name_p,
            copy_first,
            copy_last,
            copy_step,
        ]
    }
}

/// Starts to write the quotient to `out`: on each point the sum of all constraints times their weights. The row after the last is the first.
///
/// Cost: 68 multiplications a row.
///
/// # Errors
/// [`DeviceError::Failed`], [`DeviceError::OutOfMemory`].
///
/// # Panics
/// If a column has another length than `out`.
pub fn quotient(
    columns: &QuotientColumns<'_>,
    constants: &QuotientConstants,
    out: &mut Buffer<Fr>,
) -> Result<(), DeviceError> {
    let n = out.len();
    assert!(columns.buffers().all(|column| column.len() == n), "columns of one length");
    let device = out.device().clone();
    let addresses = Buffer::from_slice(&device, &columns.addresses())?;
    let constants = Buffer::from_slice(&device, &constants.elements())?;
    let count = Argument::U32(u32::try_from(n).expect("a coset is smaller"));
    let arguments = [out.argument(), addresses.argument(), constants.argument(), count];
    device.launch("quotient", Launch::threads(n, BLOCK), &arguments)
}
