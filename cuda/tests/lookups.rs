//! The running sum of the lookup argument against its definition, a term at a time.
#![cfg(any(feature = "emulator", feature = "driver"))]

mod common;
mod guarded;

use ff::Field;
use guarded::devices;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_cuda::columns::{Lookup, Lookups, lookup_sum};
use inferproof_cuda::{Buffer, Device, DeviceError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

/// Tag, input, and output if there is one.
type Columns = (Vec<Fr>, Vec<Fr>, Option<Vec<Fr>>);

/// Lookups of `rows` rows; the table comes last.
struct Case {
    lookups: Vec<Columns>,
    multiplicities: Vec<Fr>,
    alpha: Fr,
    beta: Fr,
}

impl Case {
    fn random(rows: usize, outputs: &[bool], rng: &mut StdRng) -> Self {
        let mut column = || (0..rows).map(|_| Fr::random(&mut *rng)).collect::<Vec<_>>();
        let lookups = outputs.iter().map(|output| (column(), column(), output.then(&mut column))).collect();
        let multiplicities = column();
        Self { lookups, multiplicities, alpha: Fr::random(&mut *rng), beta: Fr::random(&mut *rng) }
    }

    fn factor(&self, (tag, input, output): &Columns, row: usize) -> Fr {
        let output = output.as_ref().map_or(Fr::ZERO, |output| output[row]);
        self.beta + input[row] + self.alpha * output + self.alpha.square() * tag[row]
    }

    /// Rows `0..=rows`.
    fn expected(&self, rows: usize) -> Vec<Fr> {
        let mut sum = vec![Fr::ZERO];
        for row in 0..rows {
            let mut inverses: Vec<Fr> =
                self.lookups.iter().map(|lookup| self.factor(lookup, row).invert().unwrap()).collect();
            let table = inverses.pop().unwrap();
            sum.push(sum[row] + inverses.into_iter().sum::<Fr>() - self.multiplicities[row] * table);
        }
        sum
    }

    fn sum(&self, device: &Arc<dyn Device>, rows: usize) -> Result<Option<Vec<Fr>>, DeviceError> {
        let upload = |column: &Vec<Fr>| Buffer::from_slice(device, column);
        let mut buffers = vec![];
        for (tag, input, output) in &self.lookups {
            buffers.push((upload(tag)?, upload(input)?, output.as_ref().map(upload).transpose()?));
        }
        let refs = buffers.iter().map(|(tag, input, output)| Lookup { tag, input, output: output.as_ref() });
        let refs: Vec<Lookup<'_>> = refs.collect();
        let (table, lookups) = refs.split_last().unwrap();
        let multiplicities = &upload(&self.multiplicities)?;
        let Self { alpha, beta, .. } = *self;
        let sum = lookup_sum(&Lookups { lookups, table: *table, multiplicities, alpha, beta }, rows)?;
        sum.map(|sum| sum.to_vec()).transpose()
    }
}

/// Two lookups of a row as the machine has them, others, and none.
#[test]
fn lookups() {
    for device in devices() {
        let outputs: [&[bool]; 5] =
            [&[false, true, true], &[true], &[false], &[false, true, false, true, true], &[true, true, false]];
        for (outputs, rows) in outputs.into_iter().cycle().zip([0, 1, 2, 31, 255, 256, 257, 1023, 1024, 2100]) {
            let mut rng = StdRng::seed_from_u64(rows as u64);
            let case = Case::random(rows, outputs, &mut rng);
            assert_eq!(case.sum(&device, rows).unwrap().unwrap(), case.expected(rows), "{rows} rows, {outputs:?}");
        }
        // Columns may go on after the rows.
        let case = Case::random(70, &[false, true, true], &mut StdRng::seed_from_u64(7));
        assert_eq!(case.sum(&device, 50).unwrap().unwrap(), case.expected(50));
    }
}

/// A factor of 0 on any row is found, and none is where there are no rows any more.
#[test]
fn poles() {
    let rows = 1500;
    for device in devices() {
        for (lookup, row) in [(0, 0), (1, 1024), (2, 1499), (2, 0), (0, 1499)] {
            let mut case = Case::random(rows, &[false, true, true], &mut StdRng::seed_from_u64(1));
            let factor = case.factor(&case.lookups[lookup], row);
            case.lookups[lookup].1[row] -= factor;
            assert_eq!(case.sum(&device, rows).unwrap(), None, "lookup {lookup}, row {row}");
            assert!(case.sum(&device, row).unwrap().is_some());
        }
    }
}

#[test]
#[should_panic(expected = "columns of 4 rows")]
fn too_few_rows() {
    let Some(device) = devices().pop() else { panic!("columns of 4 rows: no device") };
    let mut case = Case::random(4, &[true, true], &mut StdRng::seed_from_u64(1));
    case.multiplicities.pop();
    let _ = case.sum(&device, 4);
}
