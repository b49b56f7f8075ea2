//! What takes all elements of a column together. A tile's elements become one, level by level, until there is one tile; then each tile gets what belongs
//! to it. See `kernels/columns_scan.cuh`.

use super::{THREADS, count, squares};
use crate::device::{Address, Argument, Buffer, Device, DeviceError, Launch};
use halo2_proofs::halo2curves::bn256::Fr;
use std::sync::Arc;

/// Elements of a tile.
const TILE: usize = 1024;
/// Its logarithm: a level's variable is this power of two of that before.
const TILE_BITS: usize = TILE.ilog2() as usize;

const fn tiles(n: usize) -> Launch {
    Launch { grid: [n.div_ceil(TILE) as u32, 1, 1], block: THREADS, shared: 0 }
}

/// The value of each polynomial at its point; that of none is 0. Cost: a multiplication an element, which is read once.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// As [`powers`](super::powers), and if there are more than 65535 queries.
pub fn evaluate(queries: &[(&Buffer<Fr>, Fr)]) -> Result<Vec<Fr>, DeviceError> {
    let Some((first, _)) = queries.first() else { return Ok(vec![]) };
    let device = first.device();
    let tables: Vec<Fr> = queries.iter().flat_map(|(_, point)| squares(*point)).collect();
    let tables = Buffer::from_slice(device, &tables)?;
    let places: Vec<[u64; 2]> = queries.iter().map(|(p, _)| [p.address().0, p.len() as u64]).collect();
    values(device, &places, &tables, 0)
}

/// The values of a level's tiles are the next level's coefficients.
fn values(
    device: &Arc<dyn Device>,
    places: &[[u64; 2]],
    tables: &Buffer<Fr>,
    level: usize,
) -> Result<Vec<Fr>, DeviceError> {
    let (tile_values, tiles) = horner_tiles(device, places, tables, level)?;
    if tiles == 1 {
        return tile_values.to_vec();
    }
    let start = |query| tile_values.address().0 + (query * tiles * size_of::<Fr>()) as u64;
    let next = |(query, [_, length]): (usize, &[u64; 2])| [start(query), length.div_ceil(TILE as u64).max(1)];
    let places: Vec<[u64; 2]> = places.iter().enumerate().map(next).collect();
    values(device, &places, tables, level + 1)
}

/// The value of each tile of each polynomial, in rows of as many as the longest polynomial has, and that number.
fn horner_tiles(
    device: &Arc<dyn Device>,
    places: &[[u64; 2]],
    tables: &Buffer<Fr>,
    level: usize,
) -> Result<(Buffer<Fr>, usize), DeviceError> {
    assert!(places.len() <= 65535, "{} polynomials", places.len());
    let longest = places.iter().map(|[_, length]| *length as usize).max().unwrap_or(0).max(1);
    let (stride, launch) = (longest.div_ceil(TILE), tiles(longest));
    let values = Buffer::new(device, stride * places.len())?;
    let words = Buffer::from_slice(device, places.as_flattened())?;
    let powers = tables.argument_at(TILE_BITS * level);
    let arguments = [values.argument(), words.argument(), powers, count(stride)];
    let launch = Launch { grid: [launch.grid[0], places.len() as u32, 1], ..launch };
    device.launch("columns_horner_blocks", launch, &arguments)?;
    Ok((values, stride))
}

/// The quotient of a polynomial by `X - root`; what remains is dropped. Cost: three multiplications an element, which is read twice.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// If there are no coefficients.
pub fn divide(polynomial: &Buffer<Fr>, root: Fr) -> Result<Buffer<Fr>, DeviceError> {
    let device = polynomial.device();
    let n = polynomial.len();
    let quotient = Buffer::new(device, n.checked_sub(1).expect("a polynomial"))?;
    if n > 1 {
        let table = Buffer::from_slice(device, &squares(root))?;
        horner_scan(device, [polynomial.address(), quotient.address()], [n, n - 1], &table, 0)?;
    }
    Ok(quotient)
}

/// `out[i] = sum_(j > i) in[j] z^(j - i - 1)` for as many `i` as there are to be; `out` may be `in`.
fn horner_scan(
    device: &Arc<dyn Device>,
    [from, to]: [Address; 2],
    [n, out]: [usize; 2],
    table: &Buffer<Fr>,
    level: usize,
) -> Result<(), DeviceError> {
    let carried = n > TILE;
    let carries = if carried {
        let (values, tiles) = horner_tiles(device, &[[from.0, n as u64]], table, level)?;
        horner_scan(device, [values.address(); 2], [tiles; 2], table, level + 1)?;
        values
    } else {
        Buffer::new(device, 0)?
    };
    let powers = table.argument_at(TILE_BITS * level);
    let [from, to] = [from, to].map(Argument::Address);
    let arguments = [to, from, carries.argument(), powers, count(n), count(out), Argument::U32(carried.into())];
    device.launch("columns_horner_scan", tiles(n), &arguments)
}

/// The kernels for running products or sums: a tile's, then what belongs to each element.
struct Running {
    blocks: &'static str,
    scan: &'static str,
}

const PRODUCT: Running = Running { blocks: "columns_product_blocks", scan: "columns_product_scan" };
const SUM: Running = Running { blocks: "columns_sum_blocks", scan: "columns_sum_scan" };

/// Each element becomes the product of all before it. Cost: three multiplications an element, which is read twice.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// As [`powers`](super::powers).
pub fn prefix_product(column: &mut Buffer<Fr>) -> Result<(), DeviceError> {
    PRODUCT.run(column.device(), column.address(), column.len())
}

/// Each element becomes the sum of all before it. Cost: three additions an element, which is read twice.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// As [`powers`](super::powers).
pub fn prefix_sum(column: &mut Buffer<Fr>) -> Result<(), DeviceError> {
    SUM.run(column.device(), column.address(), column.len())
}

impl Running {
    fn run(&self, device: &Arc<dyn Device>, column: Address, n: usize) -> Result<(), DeviceError> {
        if n == 0 {
            return Ok(());
        }
        let carries = self.tiles(device, column, n, false)?;
        if !carries.is_empty() {
            self.run(device, carries.address(), carries.len())?;
        }
        let carried = Argument::U32((!carries.is_empty()).into());
        let arguments = [Argument::Address(column), carries.argument(), count(n), carried];
        device.launch(self.scan, tiles(n), &arguments)
    }

    /// What each tile comes to; nothing if there is but one.
    fn tiles(
        &self,
        device: &Arc<dyn Device>,
        column: Address,
        n: usize,
        skip_zeros: bool,
    ) -> Result<Buffer<Fr>, DeviceError> {
        if n <= TILE {
            return Buffer::new(device, 0);
        }
        let all = Buffer::new(device, n.div_ceil(TILE))?;
        let skip = Argument::U32(skip_zeros.into());
        let arguments = [all.argument(), Argument::Address(column), count(n), skip];
        device.launch(self.blocks, tiles(n), &arguments)?;
        Ok(all)
    }
}

/// Each element becomes its inverse, zeros stay. Cost: four multiplications an element, which is read twice, and one inversion: of the product of all, by
/// one thread, which takes the time of 380 multiplications one after the other.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// As [`powers`](super::powers).
pub fn batch_invert(column: &mut Buffer<Fr>) -> Result<(), DeviceError> {
    invert(column.device(), column.address(), column.len())
}

fn invert(device: &Arc<dyn Device>, column: Address, n: usize) -> Result<(), DeviceError> {
    if n == 0 {
        return Ok(());
    }
    let products = PRODUCT.tiles(device, column, n, true)?;
    if !products.is_empty() {
        invert(device, products.address(), products.len())?;
    }
    let given = Argument::U32((!products.is_empty()).into());
    let arguments = [Argument::Address(column), products.argument(), count(n), given];
    device.launch("columns_invert", tiles(n), &arguments)
}
