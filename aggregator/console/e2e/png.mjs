// A screenshot as a PNG with at most 256 colours: a third of the size, and a page has few colours.
import { deflateSync, crc32 } from 'node:zlib'

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  const check = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body) >>> 0)
  return Buffer.concat([length, body, check])
}

/** The most frequent colours, and for every other one the nearest of them. */
function quantize(rgba) {
  const counts = new Map()
  for (let i = 0; i < rgba.length; i += 4) {
    const colour = (rgba[i] << 16) | (rgba[i + 1] << 8) | rgba[i + 2]
    counts.set(colour, (counts.get(colour) ?? 0) + 1)
  }
  // Of shades that differ by less than the eye sees, the most frequent one stands for all.
  const shades = new Map()
  for (const [colour, n] of [...counts].sort((a, b) => b[1] - a[1])) {
    const shade = colour & 0xf8f8f8
    const known = shades.get(shade)
    if (known) known.n += n
    else shades.set(shade, { colour, n })
  }
  const colours = [...shades.values()].sort((a, b) => b.n - a.n).slice(0, 256).map((one) => one.colour)
  const nearest = new Map(colours.map((colour, index) => [colour, index]))
  const far = (a, b) => ((a >> 16) - (b >> 16)) ** 2 + (((a >> 8) & 255) - ((b >> 8) & 255)) ** 2 + ((a & 255) - (b & 255)) ** 2
  const find = (colour) => {
    let [best, least] = [0, Infinity]
    colours.forEach((one, index) => {
      const distance = far(one, colour)
      if (distance < least) [best, least] = [index, distance]
    })
    nearest.set(colour, best)
    return best
  }
  const pixels = new Uint8Array(rgba.length / 4)
  for (let i = 0; i < pixels.length; i += 1) {
    const colour = (rgba[4 * i] << 16) | (rgba[4 * i + 1] << 8) | rgba[4 * i + 2]
    pixels[i] = nearest.get(colour) ?? find(colour)
  }
  return { colours, pixels }
}

/** Decoded by the browser itself, so that no decoder is needed here. */
async function decode(browser, png) {
  const page = await browser.newPage()
  const got = await page.evaluate(async (base64) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob())
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
    const context = canvas.getContext('2d')
    context.drawImage(bitmap, 0, 0)
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height)
    let text = ''
    for (let i = 0; i < data.length; i += 32_768) text += String.fromCharCode(...data.subarray(i, i + 32_768))
    return { width: bitmap.width, height: bitmap.height, data: btoa(text) }
  }, png.toString('base64'))
  await page.close()
  return { width: got.width, height: got.height, rgba: Buffer.from(got.data, 'base64') }
}

export async function palette(browser, png) {
  const { width, height, rgba } = await decode(browser, png)
  const { colours, pixels } = quantize(rgba)
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 3, 0, 0, 0], 8)
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y += 1) rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1)
  const table = Buffer.from(colours.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    chunk('PLTE', table),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}
