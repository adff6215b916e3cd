// The kernels with plain SIMD, for engines without relaxed SIMD; see `relaxed.js`.
import source module from "../../../kernels/pkg/kernels_simd.wasm";
export default module;
