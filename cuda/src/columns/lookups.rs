//! The running sum of the lookup argument.

use super::{batch_invert, count, elementwise, prefix_sum};
use crate::device::{Buffer, DeviceError, on_one_device};
use halo2_proofs::halo2curves::bn256::Fr;

/// What each row looks up, or what the table has on it. Its factor is `beta + input + alpha output + alpha^2 tag`.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// Tells the tables apart.
    pub tag: &'a Buffer<Fr>,
    /// The input.
    pub input: &'a Buffer<Fr>,
    /// The output; 0 if there is none.
    pub output: Option<&'a Buffer<Fr>>,
}

/// The lookups of a row and their challenges.
#[derive(Clone, Copy, Debug)]
pub struct Lookups<'a> {
    /// Any number of them.
    pub lookups: &'a [Lookup<'a>],
    /// The table, a row of it on each row.
    pub table: Lookup<'a>,
    /// How often each row of the table is looked up.
    pub multiplicities: &'a Buffer<Fr>,
    /// Goes with outputs, its square with tags.
    pub alpha: Fr,
    /// Goes with all.
    pub beta: Fr,
}

/// Element `i` of `rows + 1` is the sum over the rows before of `sum_l 1 / factor_l - multiplicity / (the table's factor)`. Nothing if a factor is 0: the
/// challenges hit a pole. Waits for the device to know that.
///
/// Cost: at most `7 l + 12` multiplications a row for `l` lookups, and one inversion as in [`batch_invert`], of the product of all factors of a row.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// If a column has fewer rows; as [`powers`](super::powers).
pub fn lookup_sum(lookups: &Lookups<'_>, rows: usize) -> Result<Option<Buffer<Fr>>, DeviceError> {
    let Lookups { lookups, table, multiplicities, alpha, beta } = *lookups;
    let all: Vec<Lookup<'_>> = lookups.iter().copied().chain([table]).collect();
    let columns = all.iter().flat_map(|lookup| [lookup.tag, lookup.input].into_iter().chain(lookup.output));
    let columns = columns.chain([multiplicities]);
    assert!(columns.clone().all(|column| column.len() >= rows), "columns of {rows} rows");
    let device = table.tag.device();
    on_one_device(device, columns);
    // A null pointer for an output that there is not.
    let place = |column: Option<&Buffer<Fr>>| column.map_or(0, |column| column.address().0);
    let places: Vec<u64> =
        all.iter().flat_map(|lookup| [Some(lookup.tag), Some(lookup.input), lookup.output].map(place)).collect();
    let places = Buffer::from_slice(device, &places)?;
    let scalars = Buffer::from_slice(device, &[beta, alpha, alpha.square()])?;
    let zero = Buffer::<u32>::zeros(device, 1)?;
    let factors = count(all.len());

    let mut sum = Buffer::new(device, rows + 1)?;
    let arguments = [sum.argument(), places.argument(), scalars.argument(), zero.argument(), factors, count(rows)];
    // SAFETY: `sum` has an element more than `rows`, which all columns at `places` have by the assertion above. Each lookup has three places, of which a null
    // output is not followed; there are three scalars and a flag.
    unsafe { device.launch("columns_lookup_below", elementwise(rows + 1), &arguments) }?;
    batch_invert(&mut sum)?;
    let arguments =
        [sum.argument(), places.argument(), multiplicities.argument(), scalars.argument(), factors, count(rows)];
    // SAFETY: as above; the multiplicities have as many rows by the same assertion.
    unsafe { device.launch("columns_lookup_terms", elementwise(rows + 1), &arguments) }?;
    prefix_sum(&mut sum)?;
    Ok((zero.to_vec()? == [0]).then_some(sum))
}
