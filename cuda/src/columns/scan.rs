//! What takes all elements of a column together. A tile's elements become one, level by level, until there is one tile; then each tile gets what belongs
//! to it. See `kernels/columns_scan.cuh`.

use super::{SQUARES, THREADS, count, index, squares};
use crate::device::{Argument, Buffer, DeviceError, Launch, on_one_device};
use halo2_proofs::halo2curves::bn256::Fr;

/// Elements of a tile.
const TILE: usize = 1024;
/// Its logarithm: a level's variable is this power of two of that before.
const TILE_BITS: usize = TILE.ilog2() as usize;

/// A block for each tile of `n` elements.
fn tiles(n: usize) -> Launch {
    Launch { grid: [index(n).div_ceil(TILE as u32), 1, 1], block: THREADS, shared: 0 }
}

/// The coefficients of a polynomial: `count` elements of a buffer.
#[derive(Clone, Copy)]
struct Coefficients<'a> {
    buffer: &'a Buffer<Fr>,
    start: usize,
    count: usize,
}

impl<'a> Coefficients<'a> {
    const fn all(buffer: &'a Buffer<Fr>) -> Self {
        Self { buffer, start: 0, count: buffer.len() }
    }

    /// As kernels read them.
    fn words(&self) -> [u64; 2] {
        [self.buffer.at(self.start, self.count).0, self.count as u64]
    }
}

/// The squares that a level begins with, in the table of the first polynomial. A level uses as many as a tile has bits; what lies `SQUARES` after them is the
/// next polynomial's.
fn level_squares(tables: &Buffer<Fr>, level: usize) -> Argument {
    assert!(TILE_BITS * (level + 1) <= SQUARES, "level {level} of a tree");
    tables.argument_of(TILE_BITS * level, TILE_BITS)
}

/// The value of each polynomial at its point; that of none is 0. Cost: a multiplication an element, which is read once.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// As [`powers`](super::powers), and if there are more than 65535 queries, or if these and the longest polynomial make more than `2^31` tiles of 1024 elements.
pub fn evaluate(queries: &[(&Buffer<Fr>, Fr)]) -> Result<Vec<Fr>, DeviceError> {
    let Some((first, _)) = queries.first() else { return Ok(vec![]) };
    let tables: Vec<Fr> = queries.iter().flat_map(|(_, point)| squares(*point)).collect();
    let tables = Buffer::from_slice(first.device(), &tables)?;
    let polynomials: Vec<_> = queries.iter().map(|(polynomial, _)| Coefficients::all(polynomial)).collect();
    values(&polynomials, &tables, 0)
}

/// The values of a level's tiles are the next level's coefficients.
fn values(polynomials: &[Coefficients<'_>], tables: &Buffer<Fr>, level: usize) -> Result<Vec<Fr>, DeviceError> {
    let (tile_values, tiles) = horner_tiles(polynomials, tables, level)?;
    if tiles == 1 {
        return tile_values.to_vec();
    }
    let next = |(query, polynomial): (usize, &Coefficients<'_>)| Coefficients {
        buffer: &tile_values,
        start: query * tiles,
        count: polynomial.count.div_ceil(TILE).max(1),
    };
    let polynomials: Vec<_> = polynomials.iter().enumerate().map(next).collect();
    values(&polynomials, tables, level + 1)
}

/// The value of each tile of each polynomial, in rows of as many as the longest polynomial has, and that number.
fn horner_tiles(
    polynomials: &[Coefficients<'_>],
    tables: &Buffer<Fr>,
    level: usize,
) -> Result<(Buffer<Fr>, usize), DeviceError> {
    assert!(polynomials.len() <= 65535, "{} polynomials", polynomials.len());
    assert_eq!(tables.len(), polynomials.len() * SQUARES, "a table for each polynomial");
    let device = tables.device();
    on_one_device(device, polynomials.iter().map(|polynomial| polynomial.buffer));
    let longest = polynomials.iter().map(|polynomial| polynomial.count).max().unwrap_or(0).max(1);
    let (stride, launch) = (longest.div_ceil(TILE), tiles(longest));
    // Kernels count tiles in 32 bits too.
    let values = Buffer::new(device, index(stride * polynomials.len()) as usize)?;
    let words: Vec<[u64; 2]> = polynomials.iter().map(Coefficients::words).collect();
    let words = Buffer::from_slice(device, words.as_flattened())?;
    let arguments = [values.argument(), words.argument(), level_squares(tables, level), count(stride)];
    let launch = Launch { grid: [launch.grid[0], polynomials.len() as u32, 1], ..launch };
    // SAFETY: each polynomial has two words, `stride` elements of `values` and a table, by the assertions above and those of `level_squares`; coefficients are
    // within their buffers by `words`.
    unsafe { device.launch("columns_horner_blocks", launch, &arguments) }?;
    Ok((values, stride))
}

/// The quotient of a polynomial by `X - root`; what remains is dropped. Cost: three multiplications an element, which is read twice.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// If there are no coefficients; as [`powers`](super::powers).
pub fn divide(polynomial: &Buffer<Fr>, root: Fr) -> Result<Buffer<Fr>, DeviceError> {
    let (device, n) = (polynomial.device(), polynomial.len());
    let mut quotient = Buffer::new(device, n.checked_sub(1).expect("a polynomial"))?;
    if n > 1 {
        let table = Buffer::from_slice(device, &squares(root))?;
        horner_scan(Some(polynomial), &mut quotient, &table, 0)?;
    }
    Ok(quotient)
}

/// `to[i] = sum_(j > i) from[j] z^(j - i - 1)` for as many `i` as there are to be; in place without `from`.
fn horner_scan(
    from: Option<&Buffer<Fr>>,
    to: &mut Buffer<Fr>,
    table: &Buffer<Fr>,
    level: usize,
) -> Result<(), DeviceError> {
    let (device, place) = (table.device(), from.unwrap_or(to));
    let (n, out) = (place.len(), to.len());
    on_one_device(device, [place, to]);
    assert!(out <= n, "{out} coefficients of {n}");
    let carried = n > TILE;
    let carries = if carried {
        let (mut values, _) = horner_tiles(&[Coefficients::all(place)], table, level)?;
        horner_scan(None, &mut values, table, level + 1)?;
        values
    } else {
        Buffer::new(device, 0)?
    };
    let powers = level_squares(table, level);
    let arguments = [
        to.argument(),
        place.argument(),
        carries.argument(),
        powers,
        count(n),
        count(out),
        Argument::U32(carried.into()),
    ];
    // SAFETY: the counts are those of the buffers, `to` is borrowed mutably, there is a carry for each tile if they count, and `level_squares` asserts that the
    // level has its squares. No thread reads in place what another writes.
    unsafe { device.launch("columns_horner_scan", tiles(n), &arguments) }
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
    PRODUCT.run(column)
}

/// Each element becomes the sum of all before it. Cost: three additions an element, which is read twice.
///
/// # Errors
/// As [`powers`](super::powers).
///
/// # Panics
/// As [`powers`](super::powers).
pub fn prefix_sum(column: &mut Buffer<Fr>) -> Result<(), DeviceError> {
    SUM.run(column)
}

impl Running {
    fn run(&self, column: &mut Buffer<Fr>) -> Result<(), DeviceError> {
        let n = column.len();
        if n == 0 {
            return Ok(());
        }
        let mut carries = self.tiles(column, false)?;
        let carried = !carries.is_empty();
        if carried {
            self.run(&mut carries)?;
        }
        let arguments = [column.argument(), carries.argument(), count(n), Argument::U32(carried.into())];
        // SAFETY: the column has `n` elements and is borrowed mutably; there is a carry for each tile if they count.
        unsafe { column.device().launch(self.scan, tiles(n), &arguments) }
    }

    /// What each tile comes to; nothing if there is but one.
    fn tiles(&self, column: &Buffer<Fr>, skip_zeros: bool) -> Result<Buffer<Fr>, DeviceError> {
        let (device, n) = (column.device(), column.len());
        if n <= TILE {
            return Buffer::new(device, 0);
        }
        let all = Buffer::new(device, n.div_ceil(TILE))?;
        let arguments = [all.argument(), column.argument(), count(n), Argument::U32(skip_zeros.into())];
        // SAFETY: the column has `n` elements, and `all` has one for each tile.
        unsafe { device.launch(self.blocks, tiles(n), &arguments) }?;
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
    let n = column.len();
    if n == 0 {
        return Ok(());
    }
    let mut products = PRODUCT.tiles(column, true)?;
    let given = !products.is_empty();
    if given {
        batch_invert(&mut products)?;
    }
    let arguments = [column.argument(), products.argument(), count(n), Argument::U32(given.into())];
    // SAFETY: the column has `n` elements and is borrowed mutably; there is an inverse for each tile if they count.
    unsafe { column.device().launch("columns_invert", tiles(n), &arguments) }
}
