//! Proofs of small networks by the stock prover, for the tests of this crate.

use crate::integer::{Activation, Function, Interval};
use crate::interface::{End, Interface};
use crate::layers::compile;
use crate::machine::{MachineCircuit, PhaseOneInput, Shape};
use crate::network::{Architecture, NodeId, Term, Trace, Weights, Window, execute_batch};
use crate::program::{Layout, Program};
use crate::secret::Secret;
use crate::testing::NetworkBuilder;
use crate::witness::{LaneRows, Link, PhaseZero, instance, phase_zero, tensor_polynomial};
use ff::Field;
use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::plonk::{ProvingKey, create_proof, keygen_pk2, verify_proof};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::transcript::{Blake2bRead, Blake2bWrite, Challenge255, TranscriptReadBuffer, TranscriptWriterBuffer};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub(crate) const RELU8: Activation = Activation { function: Function::Relu, range: Interval::new(0, 31) };
pub(crate) const SIGNED8: Activation = Activation { function: Function::Identity, range: Interval::new(-40, 39) };

/// A convolution of one group, not dilated.
pub(crate) fn conv(input: NodeId, kernel: [usize; 2], strides: [usize; 2], pads: [usize; 4]) -> Term {
    Term::Conv { input, window: Window { kernel, strides, pads, dilations: [1, 1] }, groups: 1 }
}

impl NetworkBuilder {
    pub(crate) fn build(self, lanes: usize) -> Case {
        self.build_in(Layout::direct(lanes))
    }

    pub(crate) fn build_in(self, layout: Layout) -> Case {
        self.build_for(Interface::default(), layout)
    }

    /// The case of a given input.
    pub(crate) fn build_on(self, layout: Layout, input: Vec<i64>) -> Case {
        self.build_all(Interface::default(), layout, input)
    }

    /// A case with a random input, of which a verifier sees what `interface` says.
    pub(crate) fn build_for(mut self, interface: Interface, layout: Layout) -> Case {
        let node = &self.architecture.nodes[0];
        let input = (0..layout.batch * node.len()).map(|_| self.rng.gen_range(node.range.lo..=node.range.hi)).collect();
        self.build_all(interface, layout, input)
    }

    fn build_all(self, interface: Interface, layout: Layout, input: Vec<i64>) -> Case {
        self.architecture.validate().unwrap();
        self.architecture.validate_weights(&self.weights).unwrap();
        Case::new(self.architecture, self.weights, input, interface, layout)
    }
}

/// A network with everything a proof of one execution needs.
#[derive(Clone)]
pub(crate) struct Case {
    pub architecture: Architecture,
    pub weights: Weights,
    pub trace: Trace,
    pub program: Program,
    pub phase0: PhaseZero,
    pub lanes: LaneRows,
    pub instance: Vec<Fr>,
}

impl Case {
    pub(crate) fn new(
        architecture: Architecture,
        weights: Weights,
        input: Vec<i64>,
        interface: Interface,
        layout: Layout,
    ) -> Self {
        let trace = execute_batch(&architecture, &weights, &input, layout.batch).unwrap();
        let program = compile(&architecture, interface, layout).unwrap();
        program.check();
        let link = interface.is_linked().then(|| {
            let mut rng = StdRng::seed_from_u64(5);
            let mut secret = || Secret(Fr::random(&mut rng));
            let mut values: Vec<&[i64]> = vec![&[]; interface.polynomials()];
            for end in interface.committed() {
                values[interface.number(end)] =
                    if end == End::Input { &input } else { &trace.values[architecture.output] };
            }
            Link::new(values.into_iter().map(|values| tensor_polynomial(&[secret(), secret()], values)).collect())
        });
        let phase0 = phase_zero(&program, &architecture, &weights, &trace, link).unwrap();
        let lanes = LaneRows::new(&program, &architecture, &weights);
        let instance = instance(&program, &input, &trace.values[architecture.output]);
        Self { architecture, weights, trace, program, phase0, lanes, instance }
    }

    /// The same execution, laid out for another shape of the machine.
    pub(crate) fn in_shape(&self, shape: Shape) -> Self {
        let Self { architecture, weights, trace, program, .. } = self.clone();
        let layout = Layout { shape, ..program.layout };
        Self::new(architecture, weights, trace.values[0].clone(), program.interface, layout)
    }

    pub(crate) fn circuit(&self) -> MachineCircuit<'_> {
        let witness = PhaseOneInput { phase0: &self.phase0, lanes: &self.lanes, instance: &self.instance };
        MachineCircuit::new(&self.program, Some(witness))
    }

    /// Multiplicities of a changed phase 0; what is in no table is not counted.
    pub(crate) fn recount(&mut self) {
        let PhaseZero { r, q, y, earlier, m, .. } = &mut self.phase0;
        m.fill(0);
        let default = crate::program::Row::default();
        let lanes = [Some((&*r, &*q, &*y)), earlier.as_ref().map(|lane| (&lane.r, &lane.q, &lane.y))];
        for (r, q, y) in lanes.into_iter().flatten() {
            for row in 0..r.len() {
                let this = self.program.rows.get(row).unwrap_or(&default);
                let hits = [
                    self.program.table.find(this.kappa, r[row] as i64, 0),
                    self.program.table.find(this.tag, q[row] as i64, y[row]),
                ];
                hits.into_iter().flatten().for_each(|hit| m[hit] += 1);
            }
        }
    }

    /// Every gate and copy, row by row, by halo2's own checker, in every shape.
    pub(crate) fn assert_satisfied(&self) {
        Shape::ALL.into_iter().for_each(|shape| self.in_shape(shape).assert_holds());
    }

    fn assert_holds(&self) {
        let prover = MockProver::run(self.program.k, &self.circuit(), vec![self.instance.clone()]).unwrap();
        if let Err(errors) = prover.verify() {
            let shown: Vec<String> = errors.iter().take(5).map(ToString::to_string).collect();
            panic!("{} failures, first: {}", errors.len(), shown.join("\n"));
        }
    }
}

/// Parameters and key of a program; the weights are not bound here, the root crate does that.
///
/// The backend's prover ends at a third phase, so programs of [`Shape::Paired`] have none here: the root crate proves them.
pub(crate) struct Keys(Option<(ParamsKZG<Bn256>, ProvingKey<G1Affine>)>);

impl Keys {
    pub(crate) fn new(circuit: &MachineCircuit<'_>) -> Self {
        let params = || ParamsKZG::<Bn256>::setup(circuit.program.k, StdRng::seed_from_u64(7));
        let single = circuit.program.layout.shape == Shape::Single;
        Self(single.then(params).map(|params| {
            let pk = keygen_pk2(&params, circuit, false).unwrap();
            (params, pk)
        }))
    }

    /// Whether a real proof of the circuit's witness verifies; of two phases more, whether every constraint and copy holds.
    pub(crate) fn accepts(&self, circuit: MachineCircuit<'_>, instance: &[Fr]) -> bool {
        let Some((params, pk)) = &self.0 else {
            let prover = MockProver::run(circuit.program.k, &circuit, vec![instance.to_vec()]).unwrap();
            return prover.verify().is_ok();
        };
        let mut transcript = Blake2bWrite::<_, G1Affine, Challenge255<_>>::init(vec![]);
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
            params,
            pk,
            &[circuit],
            &[&[instance]],
            StdRng::seed_from_u64(9),
            &mut transcript,
        )
        .unwrap();
        let proof = transcript.finalize();
        let mut transcript = Blake2bRead::<_, G1Affine, Challenge255<_>>::init(&proof[..]);
        verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
            params,
            pk.get_vk(),
            SingleStrategy::new(params),
            &[&[instance]],
            &mut transcript,
        )
        .is_ok()
    }
}
