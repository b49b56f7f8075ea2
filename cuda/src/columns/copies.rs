//! The running product of the copy argument.

use super::{batch_invert, count, elementwise, prefix_product, rows, squares};
use crate::device::{Argument, Buffer, DeviceError, on_one_device};
use halo2_proofs::halo2curves::bn256::Fr;

/// Columns under the copy argument, and its challenges. Cell `row` of column `j` has the name `delta^j omega^row`.
#[derive(Clone, Copy, Debug)]
pub struct Copies<'a> {
    /// The columns.
    pub columns: [&'a Buffer<Fr>; 3],
    /// The names of the cells that each cell is mapped to.
    pub names: [&'a Buffer<Fr>; 3],
    /// The generator of the domain.
    pub omega: Fr,
    /// What tells the columns apart.
    pub delta: Fr,
    /// Goes with the names.
    pub beta: Fr,
    /// Goes with all.
    pub gamma: Fr,
}

/// Row `i` is the product over the rows before of `product_j (value_j + beta own name_j + gamma) / product_j (value_j + beta name_j + gamma)`; the last rows
/// are `tail`. Nothing if a factor of any row is 0, above or below: the challenges hit a pole. Waits for the device to know that.
///
/// Cost: 21 multiplications a row, and an inversion as in [`batch_invert`].
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// If the columns have not the same number of rows, or fewer than the tail; as [`powers`](super::powers).
pub fn copy_product(copies: &Copies<'_>, tail: &[Fr]) -> Result<Option<Buffer<Fr>>, DeviceError> {
    let device = copies.columns[0].device();
    let n = copies.columns[0].len();
    let all = || copies.columns.into_iter().chain(copies.names);
    assert!(all().all(|column| column.len() == n), "columns of {n} rows");
    on_one_device(device, all());
    assert!(tail.len() <= n, "{} last rows of {n}", tail.len());
    let mut product = Buffer::new(device, n)?;
    if n == 0 {
        return Ok(Some(product));
    }
    let places: Vec<u64> = all().map(|column| column.address().0).collect();
    let places = Buffer::from_slice(device, &places)?;
    let [values, names] = [0, 3].map(|start| places.argument_of(start, 3));
    let Copies { omega, delta, beta, gamma, .. } = *copies;

    let scalars = Buffer::from_slice(device, &[gamma, beta])?;
    let arguments = [product.argument(), values, names, scalars.argument(), count(n)];
    // SAFETY: `product` has `n` elements, and so have the three columns and the three names at `places`, by the assertion above; there are two scalars.
    unsafe { device.launch("columns_copy_below", elementwise(n), &arguments) }?;
    batch_invert(&mut product)?;

    let scalars = Buffer::from_slice(device, &[gamma, beta, beta * delta, beta * delta.square()])?;
    let omegas = Buffer::from_slice(device, &squares(omega))?;
    let zero = Buffer::<u32>::zeros(device, 1)?;
    let own = [values, scalars.argument(), omegas.argument(), zero.argument()];
    let arguments: Vec<Argument> = [product.argument()].into_iter().chain(own).chain([count(n)]).collect();
    // SAFETY: as above; there are four scalars, a table of squares, and a flag.
    unsafe { device.launch("columns_copy_factors", rows(n), &arguments) }?;
    prefix_product(&mut product)?;
    product.write(n - tail.len(), tail)?;
    Ok((zero.to_vec()? == [0]).then_some(product))
}
