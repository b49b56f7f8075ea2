//! The engine for processors: columns in memory, work spread with rayon.

use super::domain::{Domain, powers};
use super::msm::Bases;
use super::quotient::{CopyValues, Numerator, QuotientChallenges, row_values};
use super::{COPY_COLUMNS, CircuitData, Engine, EngineError, FIXED_COLUMNS, PIECES, Witness};
use ff::{Field, PrimeField};
use group::Curve;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_circuits::machine::{UNUSABLE_ROWS, copy_permutation, fixed_columns};
use inferproof_circuits::program::Program;
use rayon::prelude::*;

/// Rows that one task works on: their columns fit into the nearest caches.
const BLOCK: usize = 1 << 9;

/// Proves on the processor, with the threads of rayon's pool. The number of threads does not matter to what it computes.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuEngine;

/// What proofs of one program share.
#[derive(Debug)]
pub struct CpuKey {
    domain: Domain,
    lagrange: Bases,
    powers: Bases,
    /// Coefficients.
    fixed: [Vec<Fr>; FIXED_COLUMNS],
    /// Values on the rows, and coefficients.
    permutation: [[Vec<Fr>; COPY_COLUMNS]; 2],
    /// Coefficients of what is 1 on the usable rows.
    usable: Vec<Fr>,
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
/// Cost: eleven multi-scalar multiplications of `2^k` points.
#[must_use]
pub fn key_commitments(program: &Program, lagrange: &[G1Affine]) -> [Vec<G1Affine>; 2] {
    let domain = Domain::new(program.k);
    let fixed = fixed_columns(program);
    let permutation = permutation_values(&domain, &copy_permutation(program));
    let columns: Vec<&[Fr]> = fixed.iter().chain(&permutation).map(Vec::as_slice).collect();
    let points = Bases::new(lagrange.to_vec()).msm_many(&columns);
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(&points, &mut affine);
    let permutation = affine.split_off(FIXED_COLUMNS);
    [affine, permutation]
}

/// 1 on the rows that a program may use, 0 on the last ones.
pub(super) fn usable_rows(n: usize) -> Vec<Fr> {
    (0..n).map(|row| if row < n - UNUSABLE_ROWS { Fr::ONE } else { Fr::ZERO }).collect()
}

impl Engine for CpuEngine {
    type Key = CpuKey;
    type Vector = Vec<Fr>;

    fn load(&self, circuit: CircuitData<'_>) -> Result<CpuKey, EngineError> {
        let domain = Domain::new(circuit.k);
        let n = domain.n();
        let permutation = permutation_values(&domain, &circuit.permutation);
        let mut coefficients = permutation.clone();
        let mut fixed = circuit.fixed;
        fixed.iter_mut().for_each(|column| column.resize(n, Fr::ZERO));
        let mut usable = usable_rows(n);
        let all = fixed.iter_mut().chain(&mut coefficients).chain([&mut usable]).collect::<Vec<_>>();
        all.into_par_iter().for_each(|column| domain.interpolate(column));
        Ok(CpuKey {
            lagrange: Bases::new(circuit.lagrange[..n].to_vec()),
            powers: Bases::new(circuit.powers[..=n].to_vec()),
            domain,
            fixed,
            permutation: [permutation, coefficients],
            usable,
        })
    }

    fn fixed<'a>(&self, key: &'a CpuKey) -> [&'a Vec<Fr>; FIXED_COLUMNS] {
        key.fixed.each_ref()
    }

    fn permutation<'a>(&self, key: &'a CpuKey) -> [&'a Vec<Fr>; COPY_COLUMNS] {
        key.permutation[1].each_ref()
    }

    fn column(&self, _: &CpuKey, rows: Vec<Fr>) -> Result<Vec<Fr>, EngineError> {
        Ok(rows)
    }

    fn commit_columns(&self, key: &CpuKey, columns: &[&Vec<Fr>]) -> Result<Vec<G1>, EngineError> {
        Ok(key.lagrange.msm_many(&columns.iter().map(|column| column.as_slice()).collect::<Vec<_>>()))
    }

    fn commit(&self, key: &CpuKey, polynomials: &[&Vec<Fr>]) -> Result<Vec<G1>, EngineError> {
        Ok(key.powers.msm_many(&polynomials.iter().map(|polynomial| polynomial.as_slice()).collect::<Vec<_>>()))
    }

    fn interpolate(&self, key: &CpuKey, mut columns: Vec<Vec<Fr>>) -> Result<Vec<Vec<Fr>>, EngineError> {
        columns.par_iter_mut().for_each(|column| key.domain.interpolate(column));
        Ok(columns)
    }

    fn copy_product(
        &self,
        key: &CpuKey,
        columns: [&Vec<Fr>; COPY_COLUMNS],
        beta: Fr,
        gamma: Fr,
        tail: &[Fr],
    ) -> Result<Vec<Fr>, EngineError> {
        let n = key.domain.n();
        let names: [Fr; COPY_COLUMNS] = std::array::from_fn(|j| beta * Fr::DELTA.pow_vartime([j as u64]));
        let permutation = &key.permutation[0];
        let mut factors = vec![Fr::ONE; n];
        factors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, factors)| {
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
        let mut product = Vec::with_capacity(n);
        let mut value = Fr::ONE;
        for factor in &factors[..n - tail.len()] {
            product.push(value);
            value *= factor;
        }
        product.extend_from_slice(tail);
        Ok(product)
    }

    fn quotient(
        &self,
        key: &CpuKey,
        witness: &Witness<Vec<Fr>>,
        challenges: &QuotientChallenges,
    ) -> Result<[Vec<Fr>; PIECES], EngineError> {
        let numerator = Numerator::new(challenges);
        let shifts = key.domain.cosets(PIECES);
        let cosets = shifts.iter().map(|shift| on_coset(key, witness, &numerator, *shift)).collect();
        Ok(pieces(&key.domain, &shifts, cosets))
    }

    fn evaluate(&self, _: &CpuKey, queries: &[(&Vec<Fr>, Fr)]) -> Result<Vec<Fr>, EngineError> {
        let horner = |polynomial: &[Fr], point: Fr| polynomial.iter().rev().fold(Fr::ZERO, |acc, c| acc * point + c);
        Ok(queries.par_iter().map(|(polynomial, point)| horner(polynomial, *point)).collect())
    }

    fn combine(&self, key: &CpuKey, terms: &[(Fr, &Vec<Fr>)], low: [Fr; 2], top: Fr) -> Result<Vec<Fr>, EngineError> {
        let mut sum = vec![Fr::ZERO; key.domain.n()];
        sum.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sum)| {
            for (factor, polynomial) in terms {
                for (sum, c) in sum.iter_mut().zip(polynomial.iter().skip(block * BLOCK)) {
                    *sum += factor * c;
                }
            }
        });
        sum[0] += low[0];
        sum[1] += low[1];
        sum.push(top);
        Ok(sum)
    }

    fn divide(&self, _: &CpuKey, mut polynomial: Vec<Fr>, root: Fr) -> Result<Vec<Fr>, EngineError> {
        // Horner's scheme from the top; what would be the remainder is the last value and is dropped.
        let mut carry = Fr::ZERO;
        for c in polynomial.iter_mut().rev() {
            carry = *c + root * carry;
            *c = carry;
        }
        polynomial.remove(0);
        Ok(polynomial)
    }
}

/// The coefficients that the quotient times `X^n - 1` has modulo `X^n - shift^n`, each times that power of the shift, and divided by `shift^n - 1`.
fn on_coset(key: &CpuKey, witness: &Witness<Vec<Fr>>, numerator: &Numerator, shift: Fr) -> Vec<Fr> {
    let domain = &key.domain;
    let n = domain.n();
    let shifts = powers(shift, n);
    let fixed = key.fixed.iter().chain(&key.permutation[1]).chain([&key.usable]);
    let columns: Vec<&Vec<Fr>> =
        witness.advice.iter().chain([&witness.instance, &witness.product]).chain(fixed).collect();
    let values: Vec<Vec<Fr>> =
        columns.into_par_iter().map(|column| domain.evaluate_on_coset(column, &shifts)).collect();
    let (advice, rest) = values.split_at(witness.advice.len());
    let ([instance, product], rest) = rest.split_first_chunk().expect("two columns");
    let (fixed, rest) = rest.split_at(FIXED_COLUMNS);
    let (permutation, usable) = rest.split_at(COPY_COLUMNS);
    let vanishing = shift.pow_vartime([n as u64]) - Fr::ONE;
    let inverse = vanishing.invert().expect("the cosets share nothing with the domain");
    // L_i(X) = (X^n - 1) omega^i / (n (X - omega^i)), on the first row and the last usable one.
    let rows = [0, n - UNUSABLE_ROWS].map(|row| domain.omega().pow_vartime([row as u64]));
    let scale = vanishing * Fr::from(n as u64).invert().expect("a power of two");
    let mut result = vec![Fr::ZERO; n];
    result.par_chunks_mut(BLOCK).enumerate().for_each(|(block, result)| {
        let first = block * BLOCK;
        let start = shift * domain.omega().pow_vartime([first as u64]);
        let points: Vec<Fr> = powers(domain.omega(), result.len()).into_iter().map(|power| power * start).collect();
        let mut lagrange: Vec<Fr> = points.iter().flat_map(|x| rows.map(|row| x - row)).collect();
        ff::BatchInvert::batch_invert(lagrange.iter_mut());
        for (offset, result) in result.iter_mut().enumerate() {
            let here = first + offset;
            let next = (here + 1) % n;
            let row = row_values(advice, fixed, instance, [here, next]);
            let copy = CopyValues {
                x: points[offset],
                permutation: std::array::from_fn(|column| permutation[column][here]),
                product: [product[here], product[next]],
                lagrange: [
                    lagrange[2 * offset] * rows[0] * scale,
                    lagrange[2 * offset + 1] * rows[1] * scale,
                    usable[0][here],
                ],
            };
            *result = numerator.evaluate(&row, &copy) * inverse;
        }
    });
    domain.interpolate(&mut result);
    result
}

/// The pieces of a polynomial of degree below `4 n` from what [`on_coset`] gives for four cosets of one coset of `4 n` elements.
///
/// With `c = shift_0^n` and `i` of order 4: `shift_j^n = c i^j`, so coset `j` has `b_j = sum_l (c i^j)^l h_l`, coefficient by coefficient, once the
/// powers of the shift are taken out; `h_l = c^(-l) / 4 sum_j i^(-j l) b_j`.
fn pieces(domain: &Domain, shifts: &[Fr], cosets: Vec<Vec<Fr>>) -> [Vec<Fr>; PIECES] {
    let n = domain.n();
    let inverse = |value: Fr| value.invert().expect("not 0");
    let c_inverse = inverse(shifts[0].pow_vartime([n as u64]));
    let quarter = inverse(Fr::from(PIECES as u64));
    let i_inverse = shifts[0].pow_vartime([n as u64]) * inverse(shifts[1].pow_vartime([n as u64]));
    let scales: Vec<Fr> = powers(c_inverse, PIECES).into_iter().map(|power| power * quarter).collect();
    let back: Vec<Fr> = shifts.iter().map(|shift| inverse(*shift)).collect();
    let [mut a, mut b, mut c, mut d]: [Vec<Fr>; PIECES] = cosets.try_into().expect("four cosets");
    let blocks =
        a.par_chunks_mut(BLOCK).zip(b.par_chunks_mut(BLOCK)).zip(c.par_chunks_mut(BLOCK)).zip(d.par_chunks_mut(BLOCK));
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
