//! The engine for processors: columns in memory, work spread with rayon.

use super::lanes::{powers, run};
use super::library::{Library, Processor};
use super::msm::Bases;
use super::quotient::{Columns, Constants, Fold, QuotientChallenges};
use super::transform::Domain;
use super::{COPY_COLUMNS, CircuitData, Engine, EngineError, PIECES, Shape, SrsPoints, Witness};
use ff::{Field, PrimeField};
use group::Curve;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_circuits::machine::{UNUSABLE_ROWS, copy_permutation, fixed_columns};
use inferproof_circuits::program::Program;
use inferproof_circuits::secret::SecretColumn;
use rayon::prelude::*;
use std::sync::Arc;

/// Rows that one task works on: their columns fit into the nearest caches.
const BLOCK: usize = 1 << 9;

/// Proves on the processor, with the threads of rayon's pool. The number of threads does not matter to what it computes.
///
/// Another [`Library`] may do the sums of points and the transforms.
#[derive(Clone, Copy, Debug)]
pub struct CpuEngine<L = Processor> {
    /// Keeps the values that all proofs of a program share on the cosets, instead of computing them for each: 1.5 kB a row more, for many proofs of one
    /// program.
    pub keep_cosets: bool,
    /// Does the sums and the transforms.
    pub library: L,
}

impl Default for CpuEngine {
    fn default() -> Self {
        Self { keep_cosets: false, library: Processor }
    }
}

/// The points of an SRS, prepared.
#[derive(Debug)]
pub struct CpuBases<P> {
    lagrange: P,
    powers: P,
}

/// What proofs of one program share.
#[derive(Debug)]
pub struct CpuKey<P> {
    shape: Shape,
    domain: Domain,
    bases: Arc<CpuBases<P>>,
    /// Coefficients.
    fixed: Vec<SecretColumn>,
    /// Values on the rows.
    names: [Vec<Fr>; COPY_COLUMNS],
    /// Their coefficients.
    permutation: [SecretColumn; COPY_COLUMNS],
    /// Coefficients of what is 1 on the usable rows.
    usable: SecretColumn,
    /// Values of [`Self::polynomials`] on each coset, if they are kept.
    cosets: Vec<Vec<SecretColumn>>,
}

/// The names of the cells that each cell under the copy argument maps to: `delta^column omega^row`.
pub(super) fn permutation_values(domain: &Domain, permutation: &[u32]) -> [Vec<Fr>; COPY_COLUMNS] {
    let n = domain.n();
    let rows = powers(domain.omega(), n);
    let columns = powers(Fr::DELTA, COPY_COLUMNS);
    let name = |cell: &u32| columns[*cell as usize / n] * rows[*cell as usize % n];
    std::array::from_fn(|column| permutation[column * n..(column + 1) * n].par_iter().map(name).collect())
}

/// Commitments to the fixed columns of a program and to its permutation: what a key is made of.
///
/// Cost: eleven multi-scalar multiplications of `2^k` points, thirteen in the shape `paired`.
#[must_use]
pub fn key_commitments(program: &Program, lagrange: &[G1Affine]) -> [Vec<G1Affine>; 2] {
    let domain = Domain::new(program.k);
    let fixed = fixed_columns(program);
    let permutation = permutation_values(&domain, &copy_permutation(program));
    let columns: Vec<&[Fr]> = fixed.iter().chain(&permutation).map(Vec::as_slice).collect();
    let points = Bases::new(lagrange).msm_many(&columns);
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(&points, &mut affine);
    let permutation = affine.split_off(fixed.len());
    [affine, permutation]
}

/// 1 on the rows that a program may use, 0 on the last ones.
pub(super) fn usable_rows(n: usize) -> Vec<Fr> {
    (0..n).map(|row| if row < n - UNUSABLE_ROWS { Fr::ONE } else { Fr::ZERO }).collect()
}

impl<L: Library> Engine for CpuEngine<L> {
    type Bases = CpuBases<L::Points>;
    type Key = CpuKey<L::Points>;
    type Vector = SecretColumn;

    fn bases(&self, points: SrsPoints<'_>) -> Result<Self::Bases, EngineError> {
        let prepare = |points| self.library.prepare(points);
        Ok(CpuBases { lagrange: prepare(points.lagrange)?, powers: prepare(points.powers)? })
    }

    fn load(&self, bases: Arc<Self::Bases>, circuit: CircuitData) -> Result<Self::Key, EngineError> {
        let domain = Domain::new(circuit.k);
        let n = domain.n();
        let names = permutation_values(&domain, &circuit.permutation);
        let mut permutation = names.clone();
        let mut fixed = circuit.fixed;
        fixed.iter_mut().for_each(|column| column.resize(n, Fr::ZERO));
        let mut usable = usable_rows(n);
        let mut all = fixed.iter_mut().chain(&mut permutation).chain([&mut usable]).collect::<Vec<_>>();
        self.library.interpolate(&domain, &mut all)?;
        let mut key = CpuKey {
            shape: circuit.shape,
            bases,
            domain,
            fixed: fixed.into_iter().map(SecretColumn).collect(),
            names,
            permutation: permutation.map(SecretColumn),
            usable: usable.into(),
            cosets: vec![],
        };
        if self.keep_cosets {
            for shift in key.domain.cosets(PIECES) {
                let polynomials = key.polynomials();
                let mut values = columns(&key.domain, polynomials.len());
                self.library.evaluate_on_coset(&key.domain, &polynomials, shift, &mut values)?;
                key.cosets.push(values);
            }
        }
        Ok(key)
    }

    fn fixed<'a>(&self, key: &'a Self::Key) -> Vec<&'a SecretColumn> {
        key.fixed.iter().collect()
    }

    fn permutation<'a>(&self, key: &'a Self::Key) -> [&'a SecretColumn; COPY_COLUMNS] {
        key.permutation.each_ref()
    }

    fn column(&self, _: &Self::Key, rows: SecretColumn) -> Result<SecretColumn, EngineError> {
        Ok(rows)
    }

    fn commit_columns(&self, key: &Self::Key, columns: &[&SecretColumn]) -> Result<Vec<G1>, EngineError> {
        self.library.sums(&key.bases.lagrange, columns)
    }

    fn commit(&self, key: &Self::Key, polynomials: &[&SecretColumn]) -> Result<Vec<G1>, EngineError> {
        self.library.sums(&key.bases.powers, polynomials)
    }

    fn interpolate(&self, key: &Self::Key, mut columns: Vec<SecretColumn>) -> Result<Vec<SecretColumn>, EngineError> {
        self.library.interpolate(&key.domain, &mut cells(&mut columns))?;
        Ok(columns)
    }

    fn copy_product(
        &self,
        key: &Self::Key,
        columns: [&SecretColumn; COPY_COLUMNS],
        beta: Fr,
        gamma: Fr,
        tail: &[Fr],
    ) -> Result<SecretColumn, EngineError> {
        let n = key.domain.n();
        let names: [Fr; COPY_COLUMNS] = std::array::from_fn(|j| beta * Fr::DELTA.pow_vartime([j as u64]));
        let permutation = &key.names;
        let mut factors = SecretColumn(vec![Fr::ONE; n]);
        factors.0.par_chunks_mut(BLOCK).enumerate().for_each(|(block, factors)| {
            let first = block * BLOCK;
            for (offset, factor) in factors.iter_mut().enumerate() {
                let row = first + offset;
                for (values, permutation) in columns.iter().zip(permutation) {
                    *factor *= values[row] + beta * permutation[row] + gamma;
                }
            }
            ff::BatchInvert::batch_invert(factors.iter_mut());
            let mut x = key.domain.omega().pow_vartime([first as u64]);
            for (offset, factor) in factors.iter_mut().enumerate() {
                for (values, name) in columns.iter().zip(names) {
                    *factor *= values[first + offset] + name * x + gamma;
                }
                x *= key.domain.omega();
            }
        });
        if factors.iter().any(|factor| bool::from(factor.is_zero())) {
            return Err(EngineError::Pole);
        }
        let mut product = Vec::with_capacity(n);
        let mut value = Fr::ONE;
        for factor in &factors[..n - tail.len()] {
            product.push(value);
            value *= factor;
        }
        product.extend_from_slice(tail);
        Ok(product.into())
    }

    fn quotient(
        &self,
        key: &Self::Key,
        witness: &Witness<SecretColumn>,
        challenges: &QuotientChallenges,
    ) -> Result<[SecretColumn; PIECES], EngineError> {
        let shifts = key.domain.cosets(PIECES);
        let mut polynomials: Vec<_> = witness.advice.iter().chain([&witness.instance, &witness.product]).collect();
        if key.cosets.is_empty() {
            polynomials.extend(key.polynomials());
        }
        // The same memory for all cosets.
        let mut values = columns(&key.domain, polynomials.len());
        let mut cosets = vec![];
        for (index, shift) in shifts.iter().enumerate() {
            self.library.evaluate_on_coset(&key.domain, &polynomials, *shift, &mut values)?;
            let (own, computed) = values.split_at(witness.advice.len() + 2);
            let shared = key.cosets.get(index).map_or(computed, Vec::as_slice);
            cosets.push(on_coset(key.shape, &key.domain, [own, shared], challenges, *shift));
        }
        self.library.interpolate(&key.domain, &mut cells(&mut cosets))?;
        Ok(pieces(&key.domain, &shifts, cosets))
    }

    fn evaluate(&self, _: &Self::Key, queries: &[(&SecretColumn, Fr)]) -> Result<Vec<Fr>, EngineError> {
        let horner = |polynomial: &[Fr], point: Fr| polynomial.iter().rev().fold(Fr::ZERO, |acc, c| acc * point + c);
        Ok(queries.par_iter().map(|(polynomial, point)| horner(polynomial, *point)).collect())
    }

    fn combine(
        &self,
        key: &Self::Key,
        terms: &[(Fr, &SecretColumn)],
        linear: Fr,
        top: Fr,
    ) -> Result<SecretColumn, EngineError> {
        let mut sum = Vec::with_capacity(key.domain.n() + 1);
        sum.resize(key.domain.n(), Fr::ZERO);
        sum.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sum)| {
            for (factor, polynomial) in terms {
                for (sum, c) in sum.iter_mut().zip(polynomial.iter().skip(block * BLOCK)) {
                    *sum += factor * c;
                }
            }
        });
        sum[1] += linear;
        let above = terms.iter().filter_map(|(factor, polynomial)| Some(polynomial.get(sum.len())? * factor));
        let top = above.fold(top, |top, c| top + c);
        sum.push(top);
        Ok(sum.into())
    }

    fn divide(&self, _: &Self::Key, polynomial: &SecretColumn, root: Fr) -> Result<SecretColumn, EngineError> {
        // Horner's scheme from the top; the last value would be what remains.
        let mut quotient = vec![Fr::ZERO; polynomial.len() - 1];
        let mut carry = Fr::ZERO;
        for (quotient, c) in quotient.iter_mut().zip(&polynomial[1..]).rev() {
            carry = *c + root * carry;
            *quotient = carry;
        }
        Ok(quotient.into())
    }
}

fn cells(columns: &mut [SecretColumn]) -> Vec<&mut Vec<Fr>> {
    columns.iter_mut().map(|column| &mut column.0).collect()
}

impl<P> CpuKey<P> {
    /// What all proofs share of the quotient: fixed columns, permutation, usable rows.
    fn polynomials(&self) -> Vec<&SecretColumn> {
        self.fixed.iter().chain(&self.permutation).chain([&self.usable]).collect()
    }
}

fn columns(domain: &Domain, count: usize) -> Vec<SecretColumn> {
    (0..count).map(|_| vec![Fr::ZERO; domain.n()].into()).collect()
}

/// The values of the quotient on the coset of `shift`, from those of a proof's columns and of its program's.
fn on_coset(
    shape: Shape,
    domain: &Domain,
    [own, shared]: [&[SecretColumn]; 2],
    challenges: &QuotientChallenges,
    shift: Fr,
) -> SecretColumn {
    let n = domain.n();
    let ([advice @ .., instance, product], (fixed, [permutation @ .., usable])) = (own, shared.split_at(shape.fixed()))
    else {
        unreachable!("as many columns as a shape has")
    };
    let columns = Columns {
        shape,
        advice: advice.iter().map(|column| &column[..]).collect(),
        instance,
        product,
        fixed: fixed.iter().map(|column| &column[..]).collect(),
        permutation: std::array::from_fn(|i| &permutation[i][..]),
        usable,
    };
    let vanishing = shift.pow_vartime([n as u64]) - Fr::ONE;
    let inverse = vanishing.invert().expect("the cosets share nothing with the domain");
    let constants = Constants::new(shape, challenges, inverse);
    // L_i(X) = (X^n - 1) omega^i / (n (X - omega^i)), on the first row and the last usable one.
    let scale = vanishing * Fr::from(n as u64).invert().expect("a power of two");
    let rows = [0, n - UNUSABLE_ROWS].map(|row| domain.omega().pow_vartime([row as u64]));
    let mut result = vec![Fr::ZERO; n];
    result.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
        let first = block * BLOCK;
        let start = shift * domain.omega().pow_vartime([first as u64]);
        let points: Vec<Fr> = powers(domain.omega(), out.len()).into_iter().map(|power| power * start).collect();
        let lagrange = rows.map(|row| {
            let mut values: Vec<Fr> = points.iter().map(|x| x - row).collect();
            ff::BatchInvert::batch_invert(values.iter_mut());
            values.iter_mut().for_each(|value| *value *= row * scale);
            values
        });
        let lagrange = [&lagrange[0][..], &lagrange[1][..]];
        run(Fold { constants: &constants, columns: &columns, first, points: &points, lagrange, out });
    });
    result.into()
}

/// The pieces of a polynomial of degree below `4 n`, from the coefficients of what has its values on four cosets that make up one coset of `4 n` elements.
///
/// With `c = shift_0^n` and `i` of order 4: `shift_j^n = c i^j`, so coset `j` has `b_j = sum_l (c i^j)^l h_l`, coefficient by coefficient, once the
/// powers of the shift are taken out; `h_l = c^(-l) / 4 sum_j i^(-j l) b_j`.
pub(super) fn pieces(domain: &Domain, shifts: &[Fr], cosets: Vec<SecretColumn>) -> [SecretColumn; PIECES] {
    let n = domain.n();
    let inverse = |value: Fr| value.invert().expect("not 0");
    let c_inverse = inverse(shifts[0].pow_vartime([n as u64]));
    let quarter = inverse(Fr::from(PIECES as u64));
    let i_inverse = shifts[0].pow_vartime([n as u64]) * inverse(shifts[1].pow_vartime([n as u64]));
    let scales: Vec<Fr> = powers(c_inverse, PIECES).into_iter().map(|power| power * quarter).collect();
    let back: Vec<Fr> = shifts.iter().map(|shift| inverse(*shift)).collect();
    let [mut a, mut b, mut c, mut d]: [SecretColumn; PIECES] = cosets.try_into().expect("four cosets");
    let blocks =
        a.0.par_chunks_mut(BLOCK)
            .zip(b.0.par_chunks_mut(BLOCK))
            .zip(c.0.par_chunks_mut(BLOCK))
            .zip(d.0.par_chunks_mut(BLOCK));
    blocks.enumerate().for_each(|(block, (((a, b), c), d))| {
        let mut powers: Vec<Fr> = back.iter().map(|base| base.pow_vartime([(block * BLOCK) as u64])).collect();
        for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
            let values = [*a * powers[0], *b * powers[1], *c * powers[2], *d * powers[3]];
            let (even, odd) = (values[0] + values[2], values[1] + values[3]);
            let (difference, turned) = (values[0] - values[2], (values[1] - values[3]) * i_inverse);
            *a = (even + odd) * scales[0];
            *b = (difference + turned) * scales[1];
            *c = (even - odd) * scales[2];
            *d = (difference - turned) * scales[3];
            powers.iter_mut().zip(&back).for_each(|(power, base)| *power *= base);
        }
    });
    [a, b, c, d]
}
