// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ChainVerifier} from "../ChainVerifier.sol";
import {Inference} from "../IInferenceVerifier.sol";
import {InferenceChain} from "../InferenceChain.sol";
import {Forger, Forgery} from "./Forger.sol";
import {Keys} from "./Keys.sol";

/// @title Tests of networks in segments on the verifier itself
/// @notice With claims that are accepted because whoever made them knows the secret of the SRS; see `Forger`.
contract ChainVerifierTest is Forger {
    /// @notice Segments are verified as one: each takes in the commitment that the one before puts out.
    function test_verifyChain_acceptsWhatIsProved() external {
        ChainVerifier chains = new ChainVerifier(verifier);
        Inference[] memory claims = new Inference[](4);
        bytes32[] memory models = new bytes32[](4);
        bytes[] memory boundaries = new bytes[](3);
        bytes[] memory proofs = new bytes[](4);
        for (uint256 i = 0; i < 4; ++i) {
            Forgery memory f;
            f.secret = i % 2 == 0;
            f.fed = i > 0;
            (f.input, f.output) = (i == 0 ? Keys.PUBLIC : Keys.COMMITTED, [1, 3, 1, 0][i]);
            claims[i] = claimOf(f);
            (models[i], proofs[i]) = (claims[i].modelId, claims[i].proof);
            if (i > 0) boundaries[i - 1] = claims[i].input;
        }
        (bytes memory input, bytes memory output) = (claims[0].input, claims[3].output);
        bytes32 id = InferenceChain.id(models);
        chains.verifyChain(id, models, input, boundaries, output, claims[0].context, proofs);
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory boundary = boundaries[i];
            boundaries[i] = spliced(boundary, 32, FQ - wordAt(boundary, 32));
            vm.expectRevert(invalid());
            chains.verifyChain(id, models, input, boundaries, output, claims[0].context, proofs);
            boundaries[i] = boundary;
        }
        (models[0], models[1]) = (models[1], models[0]);
        (models[2], models[3]) = (models[3], models[2]);
        id = InferenceChain.id(models);
        // Second, first: what the first of them puts out is committed, what the other takes in is not.
        vm.expectRevert(abi.encodeWithSelector(InferenceChain.UnfitSegments.selector, 0));
        chains.verifyChain(id, models, input, boundaries, output, claims[0].context, proofs);
    }
}
