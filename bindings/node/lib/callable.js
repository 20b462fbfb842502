// Objects that are called, as Transformers.js's tokenizers, models and pipelines are.
"use strict";

class Callable {
  constructor() {
    const self = (...values) => self._call(...values);
    return Object.setPrototypeOf(self, new.target.prototype);
  }
}

module.exports = { Callable };
