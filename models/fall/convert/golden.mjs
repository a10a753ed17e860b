// Computes the golden outputs with the reference runtime: TensorFlow.js, its CPU backend.
//
//   npm i @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-converter@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0
//   node golden.mjs MODEL.json PYTHON > golden.json
//
// Run by hand when the picture or the model changes; the set-up step only compares (check.py).
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(join(process.cwd(), 'index.js'))
const tf = require('@tensorflow/tfjs-core')
require('@tensorflow/tfjs-backend-cpu')
const { loadGraphModel } = require('@tensorflow/tfjs-converter')

const [modelPath, python] = process.argv.slice(2)
const document = JSON.parse(readFileSync(modelPath, 'utf8'))
const group = document.weightsManifest[0]
const bytes = Buffer.concat(group.paths.map((path) => readFileSync(join(dirname(modelPath), path))))
const model = await loadGraphModel({
  load: async () => ({
    modelTopology: document.modelTopology,
    signature: document.signature,
    format: document.format,
    weightSpecs: group.weights,
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  }),
})
const check = join(dirname(fileURLToPath(import.meta.url)), 'check.py')
const sizes = [[256, 256], [192, 320], [256, 320]]
const cases = []
for (const [height, width] of sizes) {
  const rgb = execFileSync(python, [check, '--picture', String(height), String(width)], { maxBuffer: 1 << 26 })
  const image = tf.tensor4d(Int32Array.from(rgb), [1, height, width, 3], 'int32')
  const output = await model.executeAsync(image)
  cases.push({ height, width, output: output.arraySync()[0].map((row) => row.map((value) => Number(value.toFixed(8)))) })
}
process.stdout.write(`${JSON.stringify({ runtime: 'TensorFlow.js 4.22.0, CPU backend', cases })}\n`)
