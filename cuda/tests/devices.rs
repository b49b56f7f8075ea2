//! Buffers of two devices are not taken together: an address of one would be followed by the other.
#![cfg(feature = "emulator")]

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use inferproof_cuda::columns::{self, Copies, Lookup, Lookups};
use inferproof_cuda::{Bases, Buffer, Device, DeviceError, Domain, Emulator};
use inferproof_cuda::{QuotientColumns, QuotientConstants, QuotientShape, quotient};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const K: u32 = 4;
const N: usize = 1 << K;

fn column(device: &Arc<dyn Device>) -> Buffer<Fr> {
    Buffer::from_slice(device, &(1..=N as u64).map(Fr::from).collect::<Vec<_>>()).unwrap()
}

/// Calls `run` with columns of one device, and then with a last that is on another.
fn refuses(what: &str, run: impl Fn(&Arc<dyn Device>, &Buffer<Fr>, &mut Buffer<Fr>) -> Result<(), DeviceError>) {
    let [here, there] = [0, 0].map(|seed| Arc::new(Emulator::new(seed)) as Arc<dyn Device>);
    run(&here, &column(&here), &mut column(&here)).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| run(&here, &column(&here), &mut column(&there)))).expect_err(what);
    assert_eq!(panic.downcast_ref(), Some(&"buffers on one device"), "{what}");
}

fn domain(device: &Arc<dyn Device>) -> Domain {
    Domain::new(device, K, (K..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())).unwrap()
}

#[test]
fn copies_and_transforms() {
    refuses("a copy", |_, here, other| other.copy_from(0, here, N));
    refuses("a copy of nothing", |_, here, other| other.copy_from(0, here, 0));
    refuses("a transform", |device, _, other| domain(device).evaluate(&mut [&mut column(device), other]));
    refuses("a transform back", |device, _, other| domain(device).interpolate(&mut [other]));
    refuses("a transform from", |device, _, other| {
        let domain = domain(device);
        domain.evaluate_on_coset(&[other], &domain.coset(Fr::ONE)?, &mut [&mut column(device)])
    });
    refuses("a transform to", |device, here, other| {
        let domain = domain(device);
        domain.evaluate_on_coset(&[here], &domain.coset(Fr::ONE)?, &mut [other])
    });
    refuses("a coset", |device, here, other| {
        let coset = domain(other.device()).coset(Fr::ONE)?;
        domain(device).evaluate_on_coset(&[here], &coset, &mut [&mut column(device)])
    });
}

#[test]
fn operations_on_columns() {
    refuses("a combination", |device, here, other| {
        columns::combine(device, N, &[(Fr::ONE, here), (Fr::ONE, other)], Fr::ONE, Fr::ONE).map(drop)
    });
    refuses("values", |_, here, other| columns::evaluate(&[(here, Fr::ONE), (other, Fr::ONE)]).map(drop));
    refuses("pieces", |device, _, other| {
        let mut cosets = [(); 4].map(|()| column(device));
        std::mem::swap(&mut cosets[3], other);
        columns::pieces(&mut cosets, &[Fr::ONE; 4])
    });
    for place in 0..6 {
        refuses("a copy argument", |_, here, other| {
            let of = |place_of| if place == place_of { &*other } else { here };
            let (columns, names) = ([of(0), of(1), of(2)], [of(3), of(4), of(5)]);
            let [omega, delta, beta, gamma] = [Fr::ONE, Fr::DELTA, Fr::from(3), Fr::from(70)];
            columns::copy_product(&Copies { columns, names, omega, delta, beta, gamma }, &[]).map(drop)
        });
    }
    for place in 0..5 {
        refuses("a lookup argument", |_, here, other| {
            let of = |place_of| if place == place_of { &*other } else { here };
            let lookups = &[Lookup { tag: of(0), input: of(1), output: Some(of(2)) }];
            let table = Lookup { tag: here, input: of(3), output: None };
            let [alpha, beta] = [Fr::from(5), Fr::from(70)];
            columns::lookup_sum(&Lookups { lookups, table, multiplicities: of(4), alpha, beta }, N).map(drop)
        });
    }
}

#[test]
fn sums_of_points() {
    refuses("a sum", |device, here, other| {
        Bases::new(device, &[G1Affine::generator(); N], None)?.msm_many(&[here, other]).map(drop)
    });
}

#[test]
fn quotients() {
    let constants = QuotientConstants {
        channel: Fr::ONE,
        position: Fr::ONE,
        alpha: Fr::ONE,
        lookup_beta: Fr::ONE,
        weights: vec![Fr::ONE; 12],
        beta: Fr::ONE,
        gamma: Fr::ONE,
        names: [Fr::ONE; 3],
        copies: [Fr::ONE; 3],
    };
    for place in 0..6 {
        refuses("a quotient", |device, here, other| {
            let of = |place_of| if place == place_of { &*other } else { here };
            let columns = QuotientColumns {
                advice: &[[here; 11].as_slice(), &[of(0)]].concat(),
                instance: of(1),
                fixed: &[[here; 7].as_slice(), &[of(2)]].concat(),
                permutation: [here, here, of(3)],
                product: here,
                usable: of(4),
                points: here,
                lagrange: [here, of(5)],
            };
            quotient(QuotientShape::Single, &columns, &constants, &mut Buffer::new(device, N)?)
        });
    }
}
