// The kernels with relaxed SIMD. A source-phase import needs no permission; it stands in a `.js` file because
// TypeScript 6 cannot parse it, and in one of its own because an engine without relaxed SIMD rejects the module.
import source module from "../../../kernels/pkg/kernels_relaxed.wasm";
export default module;
