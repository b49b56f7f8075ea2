// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier, Inference} from "../IInferenceVerifier.sol";
import {PROOF_TAG} from "../MachineShape.sol";
import {Claim, Claims} from "./Claims.sol";

/// @title Tests of the verifier with proofs that the program made
contract InferenceVerifierTest is Claims {
    /// @dev Offsets in a proof.
    uint256 private constant FRONT = 4;
    uint256 private constant EVALUATIONS = 1156;
    uint256 private constant BACK = 2212;
    uint256 private constant RESPONSES = 2404;

    /// @notice A verifier for the SRS of the fixture.
    function setUp() external {
        deploy();
    }

    /// @notice True claims are accepted: with secret and public weights, elements of one and two bytes, with and without sign.
    function test_verify_acceptsWhatIsProved() external {
        accepted(stored("secret"));
        accepted(stored("public"));
        accepted(stored("wide"));
    }

    /// @notice A model whose key is not stored has no proofs.
    function test_verify_refusesAModelThatIsNotStored() external view {
        Inference memory one = load("secret").inference;
        refused(one, abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, one.modelId));
    }

    /// @notice Nor has the model zero, although memory that was never written looks like its key.
    function test_verify_refusesTheModelZero() external view {
        Inference memory one = load("public").inference;
        one.modelId = 0;
        bytes memory reason = abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, bytes32(0));
        refused(one, reason);
        (one.input, one.output) = ("", "");
        refused(one, reason);
        Inference[] memory batch = new Inference[](1);
        batch[0] = one;
        refused(batch, reason);
    }

    /// @notice A proof starts with the name of its verifier.
    function test_verify_refusesAnotherVerifiersProof() external {
        Inference memory one = stored("secret");
        bytes memory proof = one.proof;
        for (uint256 i = 0; i < 4; ++i) {
            one.proof = bytes.concat(proof);
            one.proof[i] ^= 0x01;
            bytes4 got = bytes4(sliced(one.proof, 0, 4));
            refused(one, abi.encodeWithSelector(IInferenceVerifier.WrongVerifier.selector, PROOF_TAG, got));
            one.proof = sliced(proof, 0, i);
            refused(one, abi.encodeWithSelector(IInferenceVerifier.WrongVerifier.selector, PROOF_TAG, bytes4(0)));
        }
    }

    /// @notice A proof has the length that its model's proofs have.
    function test_verify_refusesAProofOfAnotherLength() external {
        string[2] memory names = ["secret", "public"];
        for (uint256 i = 0; i < 2; ++i) {
            Inference memory one = stored(names[i]);
            bytes memory proof = one.proof;
            uint256 expected = i == 0 ? 2468 : 2340;
            eq(proof.length, expected);
            bytes memory longer = bytes.concat(proof, new bytes(128));
            uint256[7] memory lengths =
                [uint256(4), 36, 2308, expected - 1, expected + 1, expected + 32, expected + 128];
            for (uint256 j = 0; j < lengths.length; ++j) {
                one.proof = sliced(longer, 0, lengths[j]);
                refused(one, _lengthError(IInferenceVerifier.InvalidProofLength.selector, expected, lengths[j]));
            }
        }
    }

    /// @notice A proof for secret weights is none for public ones, and the other way round.
    function test_verify_refusesAProofOfAnotherModel() external {
        (Inference memory one, Inference memory two) = (stored("secret"), stored("public"));
        (one.modelId, two.modelId) = (two.modelId, one.modelId);
        refused(one, _lengthError(IInferenceVerifier.InvalidProofLength.selector, 2340, 2468));
        refused(two, _lengthError(IInferenceVerifier.InvalidProofLength.selector, 2468, 2340));
        one.proof = sliced(one.proof, 0, 2340);
        refused(one, _invalid());
        two.proof = bytes.concat(two.proof, new bytes(128));
        two.proof = spliced(two.proof, 2340, sliced(two.proof, 4, 68));
        refused(two, _invalid());
    }

    /// @notice Input and output have the lengths of the model's tensors.
    function test_verify_refusesTensorsOfAnotherLength() external {
        string[2] memory names = ["secret", "wide"];
        for (uint256 i = 0; i < 2; ++i) {
            Inference memory one = stored(names[i]);
            (bytes memory input, bytes memory output) = (one.input, one.output);
            one.input = sliced(input, 0, input.length - 1);
            bytes4 error = IInferenceVerifier.InvalidInputLength.selector;
            refused(one, _lengthError(error, input.length, input.length - 1));
            one.input = bytes.concat(input, hex"00");
            refused(one, _lengthError(error, input.length, input.length + 1));
            one.input = input;
            one.output = sliced(output, 0, output.length - 1);
            error = IInferenceVerifier.InvalidOutputLength.selector;
            refused(one, _lengthError(error, output.length, output.length - 1));
            one.output = bytes.concat(output, hex"00");
            refused(one, _lengthError(error, output.length, output.length + 1));
            // The lengths are checked one by one.
            (one.input, one.output) = (bytes.concat(input, output), "");
            refused(one, _lengthError(IInferenceVerifier.InvalidInputLength.selector, input.length, one.input.length));
        }
    }

    /// @notice Every point of a proof is on the curve, reduced, and not at infinity.
    function test_verify_refusesBadPoints() external {
        _badPoints(stored("secret"), 21);
        _badPoints(stored("public"), 20);
    }

    /// @notice Every scalar of a proof is reduced.
    function test_verify_refusesBadScalars() external {
        _badScalars(stored("secret"), 35);
        _badScalars(stored("public"), 33);
    }

    /// @notice Well-formed changes of a proof anywhere are refused.
    function test_verify_refusesOtherProofs() external {
        string[2] memory names = ["secret", "public"];
        for (uint256 i = 0; i < 2; ++i) {
            Inference memory one = stored(names[i]);
            bytes memory proof = one.proof;
            for (uint256 j = 0; j < 21 - i; ++j) {
                uint256 at = _pointAt(j);
                // The opposite point.
                one.proof = spliced(proof, at + 32, FQ - wordAt(proof, at + 32));
                refused(one, _invalid());
            }
            for (uint256 j = 0; j < 35 - 2 * i; ++j) {
                uint256 at = _scalarAt(j);
                one.proof = spliced(proof, at, addmod(wordAt(proof, at), 1, FR));
                refused(one, _invalid());
                one.proof = spliced(proof, at, 0);
                refused(one, _invalid());
            }
        }
    }

    /// @notice Another statement than the proved one is refused.
    function test_verify_refusesOtherStatements() external {
        string[3] memory names = ["secret", "public", "wide"];
        for (uint256 i = 0; i < 3; ++i) {
            Inference memory one = stored(names[i]);
            for (uint256 j = 0; j < one.input.length; j += 9) {
                one.input[j] ^= 0x01;
                refused(one, _invalid());
                one.input[j] ^= 0x01;
            }
            for (uint256 j = 0; j < one.output.length; ++j) {
                one.output[j] ^= 0x80;
                refused(one, _invalid());
                one.output[j] ^= 0x80;
            }
            one.context ^= bytes32(uint256(1));
            refused(one, _invalid());
            one.context ^= bytes32(uint256(1) | 1 << 255);
            refused(one, _invalid());
            one.context ^= bytes32(uint256(1 << 255));
            accepted(one);
        }
    }

    /// @notice A precompile that fails with well-formed arguments lacks gas; that is no answer about the claim.
    function test_verify_namesALackOfGas() external {
        Inference memory one = stored("secret");
        bytes memory starved = abi.encodeWithSelector(IInferenceVerifier.OutOfGas.selector);
        for (uint160 precompile = 5; precompile <= 8; ++precompile) {
            vm.mockCallRevert(address(precompile), "", "");
            (bool ok, bytes memory data) = address(verifier).staticcall(_call(verifier.verify.selector, one));
            no(ok);
            eq(string(data), string(starved));
            (ok, data) = address(verifier).staticcall(_call(verifier.tryVerify.selector, one));
            no(ok);
            eq(string(data), string(starved));
            vm.clearMockedCalls();
        }
        accepted(one);
    }

    /// @notice However little gas there is, a true claim never looks false.
    function test_tryVerify_saysNothingWithoutGas() external {
        Inference memory one = stored("public");
        bytes memory call = _call(verifier.tryVerify.selector, one);
        (uint256 starved, uint256 answered) = (0, 0);
        for (uint256 gas = 1_000; gas < MOST_GAS; gas += gas < 20_000 ? 500 : 3_000) {
            (bool ok, bytes memory data) = address(verifier).staticcall{gas: gas}(call);
            if (ok) {
                yes(abi.decode(data, (bool)));
                answered++;
            } else {
                starved++;
                yes(data.length == 0 || bytes4(data) == IInferenceVerifier.OutOfGas.selector);
            }
        }
        yes(starved > 20 && answered > 10);
    }

    /// @notice A batch holds if every claim in it does.
    function test_verifyBatch_acceptsWhatIsProved() external {
        Inference[3] memory known = [stored("secret"), stored("public"), stored("wide")];
        uint8[7] memory order = [0, 0, 1, 2, 1, 1, 0];
        for (uint256 start = 0; start < order.length; ++start) {
            for (uint256 count = 1; start + count <= order.length; ++count) {
                Inference[] memory batch = new Inference[](count);
                for (uint256 i = 0; i < count; ++i) {
                    batch[i] = known[order[start + i]];
                }
                verifier.verifyBatch(batch);
            }
        }
    }

    /// @notice A further claim about the same model costs less than the first.
    function test_verifyBatch_sharesWork() external {
        Inference memory one = stored("public");
        Inference[] memory batch = new Inference[](4);
        for (uint256 i = 0; i < 4; ++i) {
            batch[i] = one;
        }
        uint256 before = gasleft();
        verifier.verify(one.modelId, one.input, one.output, one.context, one.proof);
        uint256 single = before - gasleft();
        before = gasleft();
        verifier.verifyBatch(batch);
        uint256 further = (before - gasleft() - single) / 3;
        yes(further * 100 < single * 60);
    }

    /// @notice A batch of nothing says nothing.
    function test_verifyBatch_refusesNone() external view {
        refused(new Inference[](0), abi.encodeWithSelector(IInferenceVerifier.EmptyBatch.selector));
    }

    /// @notice One false claim, wherever it is, spoils a batch.
    function test_verifyBatch_refusesAFalseClaim() external {
        (Inference memory one, Inference memory two) = (stored("secret"), stored("public"));
        Inference[2] memory bad = [copyOf(one), copyOf(two)];
        bad[0].output[3] ^= 0x01;
        bad[1].output[3] ^= 0x01;
        verifier.verifyBatch(both(one, two));
        refused(both(bad[0], two), _invalid());
        refused(both(one, bad[1]), _invalid());
        refused(both(two, bad[0]), _invalid());
        refused(both(bad[1], one), _invalid());
        refused(both(bad[0], bad[1]), _invalid());
        refused(both(one, bad[0]), _invalid());
        bad[1] = copyOf(two);
        bad[1].proof = sliced(two.proof, 0, 40);
        refused(both(one, bad[1]), _lengthError(IInferenceVerifier.InvalidProofLength.selector, 2340, 40));
        bad[1].modelId = "another";
        bytes memory reason = abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, bytes32("another"));
        refused(both(one, bad[1]), reason);
        bad[1].modelId = 0;
        refused(both(one, bad[1]), abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, bytes32(0)));
    }

    /// @notice Opposite errors in two claims do not cancel.
    function test_verifyBatch_refusesErrorsThatWouldCancel() external {
        Inference memory one = stored("public");
        Inference memory two = copyOf(one);
        uint256 at = _pointAt(19);
        one.proof = spliced(one.proof, at, _sum(sliced(one.proof, at, at + 64), times(1)));
        two.proof = spliced(two.proof, at, _sum(sliced(two.proof, at, at + 64), times(FR - 1)));
        refused(both(one, two), _invalid());
        refused(both(two, one), _invalid());
    }

    /// @notice The name of the verifier can be read.
    function test_proofTag_isThatOfProofs() external view {
        eq(bytes32(verifier.proofTag()), bytes32(bytes4(sliced(load("secret").inference.proof, 0, 4))));
    }

    function _badPoints(Inference memory one, uint256 count) private view {
        bytes memory proof = one.proof;
        for (uint256 i = 0; i < count; ++i) {
            uint256 at = _pointAt(i);
            bytes memory reason = abi.encodeWithSelector(IInferenceVerifier.InvalidPoint.selector, i);
            one.proof = spliced(proof, at, new bytes(64));
            refused(one, reason);
            one.proof = spliced(proof, at, wordAt(proof, at) + FQ);
            refused(one, reason);
            one.proof = spliced(proof, at + 32, wordAt(proof, at + 32) + FQ);
            refused(one, reason);
            one.proof = spliced(proof, at, addmod(wordAt(proof, at), 1, FQ));
            refused(one, reason);
            one.proof = spliced(proof, at + 32, addmod(wordAt(proof, at + 32), 1, FQ));
            refused(one, reason);
        }
        // The first bad one is named.
        one.proof = spliced(spliced(proof, _pointAt(3), new bytes(64)), _pointAt(5), new bytes(64));
        refused(one, abi.encodeWithSelector(IInferenceVerifier.InvalidPoint.selector, 3));
        one.proof = proof;
        accepted(one);
    }

    function _badScalars(Inference memory one, uint256 count) private view {
        bytes memory proof = one.proof;
        for (uint256 i = 0; i < count; ++i) {
            uint256 at = _scalarAt(i);
            bytes memory reason = abi.encodeWithSelector(IInferenceVerifier.InvalidScalar.selector, i);
            one.proof = spliced(proof, at, wordAt(proof, at) + FR);
            refused(one, reason);
            one.proof = spliced(proof, at, FR);
            refused(one, reason);
            one.proof = spliced(proof, at, FR - 1);
            refused(one, _invalid());
        }
        one.proof = spliced(spliced(proof, _scalarAt(3), FR), _scalarAt(5), FR);
        refused(one, abi.encodeWithSelector(IInferenceVerifier.InvalidScalar.selector, 3));
        one.proof = proof;
        accepted(one);
    }

    function _pointAt(uint256 index) private pure returns (uint256) {
        return index < 18 ? FRONT + 64 * index : BACK + 64 * (index - 18);
    }

    function _scalarAt(uint256 index) private pure returns (uint256) {
        return index < 33 ? EVALUATIONS + 32 * index : RESPONSES + 32 * (index - 33);
    }

    function _invalid() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector);
    }

    function _lengthError(bytes4 error, uint256 expected, uint256 got) private pure returns (bytes memory) {
        return abi.encodeWithSelector(error, expected, got);
    }

    function _call(bytes4 selector, Inference memory one) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, one.modelId, one.input, one.output, one.context, one.proof);
    }

    function _sum(bytes memory a, bytes memory b) private view returns (bytes memory sum) {
        bool ok;
        (ok, sum) = address(6).staticcall(bytes.concat(a, b));
        yes(ok);
    }
}
