// Types for import: those of index.d.ts.
export * from "./index.js";
import * as gemvec from "./index.js";
export default gemvec;
