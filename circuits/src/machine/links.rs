//! Committed and private tensors: what the circuit binds of them. What ties the link row to the commitments is outside of it.

use crate::integer::Interval;
use crate::machine::LINK_ROW;
use crate::network::Term;
use crate::program::{Cell, Interface, Lane, Layout, ProductOp, Visibility};
use crate::testing::{Case, Keys, NetworkBuilder, RELU8, SIGNED8, conv};
use crate::witness::{ChallengeValues, Link, phase_one, tensor_polynomial};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use std::panic::catch_unwind;

const ALL: [Visibility; 3] = [Visibility::Public, Visibility::Committed, Visibility::Private];

fn dense(interface: Interface) -> Case {
    let mut b = NetworkBuilder::new(&[5], Interval::new(-9, 9), 51);
    b.affine(&[3], SIGNED8, vec![Term::Dense { input: 0 }]);
    b.build_for(interface, Layout::direct(2))
}

/// The input's consumer chain is a form's, so what is shown of it is the producer chain's.
fn convolution(interface: Interface) -> Case {
    let mut b = NetworkBuilder::new(&[2, 4, 4], Interval::new(-9, 9), 52);
    let first = b.affine(&[2, 4, 4], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
    b.max_pool(first, [2, 2]);
    b.build_for(interface, Layout::direct(2))
}

fn committed() -> Interface {
    Interface { input: Visibility::Committed, output: Visibility::Committed }
}

#[test]
fn every_interface_holds() {
    for input in ALL {
        for output in ALL {
            let interface = Interface { input, output };
            for case in [dense(interface), convolution(interface)] {
                case.assert_satisfied();
                let public = [input, output].iter().filter(|v| **v == Visibility::Public).count();
                assert_eq!(case.instance.len(), case.program.instance_words());
                assert_eq!(case.instance.is_empty(), public == 0);
                assert_eq!(case.program.interface.is_linked(), interface.committed().count() > 0);
            }
        }
    }
}

/// The row after the link row is what the polynomials come to at `1/u`: the formula of the specification.
#[test]
fn the_link_row_is_the_polynomial() {
    let case = convolution(committed());
    let [channel, position, alpha, beta] = [3, 5, 7, 1_000_003].map(Fr::from);
    let challenges = ChallengeValues { channel, position, alpha, beta };
    let w = phase_one(&case.program, &case.phase0, &case.lanes, &challenges, &case.instance).unwrap();
    let link = case.phase0.link.as_ref().unwrap();
    let v = position.invert().unwrap();
    let power = |exponent: usize| v.pow_vartime([exponent as u64]);
    let mut expected = link.coefficient(0, 1).0 * v + link.coefficient(0, 2).0 * power(2);
    let tensors = [&case.trace.values[0], &case.trace.values[case.architecture.output]];
    let mut factor = channel;
    for (number, values) in tensors.into_iter().enumerate() {
        let elements: Fr = (0..).zip(values).map(|(i, x)| crate::integer::to_field(*x) * power(i + 2)).sum();
        expected += factor * (link.coefficient(number + 1, 1).0 * v + elements);
        factor *= channel;
    }
    expected *= channel.pow_vartime([case.program.layout.lanes as u64]);
    assert_eq!(w.omega[LINK_ROW], expected);
    assert_eq!(w.value(Cell::P(LINK_ROW + 1), &case.phase0), expected);
}

/// Another tensor in the link than in the circuit, another blinding cell, another mask: the one equality refuses it, and only it.
#[test]
fn the_circuit_speaks_of_the_linked_tensors() {
    for honest in [dense(committed()), convolution(committed())] {
        let keys = Keys::new(&honest.circuit());
        assert!(keys.accepts(honest.circuit(), &honest.instance));
        let link = honest.phase0.link.clone().unwrap();
        let tensors = [honest.trace.values[0].clone(), honest.trace.values[honest.architecture.output].clone()];
        for (mask, tensor, element) in [(1, 0, 0), (0, 1, 0), (0, 2, 0), (0, 1, 1), (0, 2, 1), (0, 1, 2), (0, 2, 3)] {
            let mut first = link.coefficient(0, 1);
            first.0 += Fr::from(mask);
            let mut forged = Link::new([first, link.coefficient(0, 2)]);
            for (number, values) in (1..).zip(&tensors) {
                let mut blind = link.coefficient(number, 1);
                let mut values = values.clone();
                match element {
                    _ if number != tensor => {}
                    0 => blind.0 += Fr::ONE,
                    _ => values[element - 1] += 1,
                }
                forged.push(tensor_polynomial(blind, &values));
            }
            let mut case = honest.clone();
            case.phase0.link = Some(forged);
            assert!(!keys.accepts(case.circuit(), &case.instance), "mask {mask}, tensor {tensor}, {element}");
            let mut weak = case.clone();
            let end = Cell::P(LINK_ROW + 1);
            weak.program.equalities.retain(|(a, b)| *a != end && *b != end);
            assert_eq!(weak.program.equalities.len() + 1, case.program.equalities.len());
            assert!(Keys::new(&weak.circuit()).accepts(weak.circuit(), &weak.instance), "the forgery is no forgery");
        }
    }
}

/// An element outside its range, in the circuit and in the link alike: its table refuses it.
#[test]
fn private_and_committed_elements_are_in_range() {
    for input in [Visibility::Committed, Visibility::Private] {
        let honest = dense(Interface { input, output: Visibility::Public });
        let keys = Keys::new(&honest.circuit());
        let row = honest.program.rows.iter().position(|r| matches!(r.lane, Lane::Value { node: 0, index: 1, .. }));
        let row = row.unwrap();
        let (tag, q) = (honest.program.rows[row].tag, honest.phase0.q[row] as i64);
        for wrong in [10, -10, 1 << 20] {
            assert!(honest.program.table.find(tag, q, wrong).is_none());
            let mut case = honest.clone();
            case.phase0.y[row] = wrong;
            if let Some(link) = &case.phase0.link {
                let mut values = honest.trace.values[0].clone();
                values[1] = wrong;
                let mut forged = Link::new([link.coefficient(0, 1), link.coefficient(0, 2)]);
                forged.push(tensor_polynomial(link.coefficient(1, 1), &values));
                case.phase0.link = Some(forged);
            }
            assert!(!keys.accepts(case.circuit(), &case.instance), "{input:?}: {wrong}");
        }
    }
}

/// The obligations around the link row: each broken by itself.
#[test]
fn the_link_row_reads_omega_as_it_is() {
    let program = dense(committed()).program;
    let slot = program.rows.iter().find_map(|r| r.slot).unwrap();
    let refused = |what: &str, change: &dyn Fn(&mut crate::program::Program)| {
        let mut program = program.clone();
        change(&mut program);
        assert!(catch_unwind(|| program.check()).is_err(), "{what}");
    };
    refused("a weight on the link row", &|p| p.rows[LINK_ROW].slot = Some(slot));
    refused("a weight before it", &|p| p.rows[LINK_ROW - 1].slot = Some(slot));
    refused("no start before it", &|p| p.rows[LINK_ROW - 1].product = ProductOp::None);
    refused("not read", &|p| p.rows[LINK_ROW].product = ProductOp::None);
    refused("scaled", &|p| p.rows[LINK_ROW].z_pin = crate::program::Pin::Copy(Cell::Z(0)));
    refused("a product elsewhere", &|p| p.rows[LINK_ROW + 2].product = ProductOp::Product);
    refused("no link, but read", &|p| p.interface = Interface::default());
    refused("two blinds of one place", &|p| {
        let blinds = |r: &&mut crate::program::Row| matches!(r.lane, Lane::Blind { .. });
        let all: Vec<_> = p.rows.iter_mut().filter(blinds).collect();
        let first = all[0].lane;
        all.into_iter().for_each(|r| r.lane = first);
    });
    refused("read twice", &|p| p.equalities.push((Cell::P(LINK_ROW + 1), Cell::Y(0))));
    refused("not read at all", &|p| p.equalities.retain(|(_, b)| *b != Cell::P(LINK_ROW + 1)));
    refused("the instance chain ends there", &|p| p.rows[LINK_ROW + 1].y = crate::program::ChainOp::Reset);
    refused("a mask of one cell", &|p| {
        let blind = p.rows.iter().position(|r| matches!(r.lane, Lane::Blind { .. })).unwrap();
        p.rows[blind].lane = Lane::Rim { node: 1, channel: 0, offset: 0, negative: false };
    });
}
