/**
 * Sound per level, until silenced or acknowledged: red two high and fast, orange two, yellow one, blue a
 * low one; its own falling tone when the link is lost. Made by the browser, no file.
 *
 * Deliberately absent: who may be silenced (`annunciator.ts`). A browser that wants a touch first says
 * `blocked`, and the page says so: no sound is not no alarm.
 */
import type { Warning } from './levels'

export type Tone = Warning | 'lost'

interface Pattern {
  /** Frequencies one after another, Hz. */
  notes: readonly number[]
  /** Length of each, ms. */
  note: number
  /** From one pattern to the next, ms. */
  every: number
}

export const PATTERNS: Record<Tone, Pattern> = {
  red: { notes: [880, 1175, 880, 1175], note: 140, every: 2_000 },
  orange: { notes: [784, 784], note: 220, every: 4_000 },
  yellow: { notes: [587], note: 300, every: 8_000 },
  blue: { notes: [392], note: 300, every: 30_000 },
  lost: { notes: [523, 440, 349], note: 200, every: 5_000 },
}

const GAIN = 0.25

export class Sounder {
  #context: AudioContext | null = null
  #tone: Tone | null = null
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(readonly onBlocked: (blocked: boolean) => void) {}

  /** Sounds this from now on; `null` is quiet. The same tone goes on undisturbed. */
  play(tone: Tone | null): void {
    if (tone === this.#tone) return
    this.#tone = tone
    clearTimeout(this.#timer)
    if (tone !== null) this.#beat()
    else this.onBlocked(false)
  }

  /** After a touch or a key: what was blocked may sound now. */
  async unlock(): Promise<void> {
    await this.#context?.resume().catch(() => undefined)
    if (this.#tone !== null) {
      clearTimeout(this.#timer)
      this.#beat()
    }
  }

  #beat(): void {
    const tone = this.#tone
    if (tone === null) return
    const pattern = PATTERNS[tone]
    this.#context ??= new AudioContext()
    const context = this.#context
    this.onBlocked(context.state !== 'running')
    if (context.state === 'running') {
      pattern.notes.forEach((hz, index) => this.#note(context, hz, context.currentTime + (index * pattern.note) / 1000, pattern.note / 1000))
    }
    this.#timer = setTimeout(() => this.#beat(), pattern.every)
  }

  #note(context: AudioContext, hz: number, at: number, length: number): void {
    const oscillator = context.createOscillator()
    const gain = context.createGain()
    oscillator.frequency.value = hz
    gain.gain.setValueAtTime(0, at)
    gain.gain.linearRampToValueAtTime(GAIN, at + 0.01)
    gain.gain.setValueAtTime(GAIN, at + length - 0.03)
    gain.gain.linearRampToValueAtTime(0, at + length)
    oscillator.connect(gain).connect(context.destination)
    oscillator.start(at)
    oscillator.stop(at + length)
  }
}
