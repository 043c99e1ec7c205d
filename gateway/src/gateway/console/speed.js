// How fast bytes go, over the last seconds.

const WINDOW_MS = 6000;

/** Measures a number that grows. */
export class Speed {
  constructor() {
    this.samples = [];
  }

  /** Note that `count` bytes are done at `now`, in milliseconds. */
  note(count, now) {
    this.samples.push({ count, now });
    while (this.samples.length > 2 && this.samples[0].now < now - WINDOW_MS) this.samples.shift();
  }

  /** Return bytes a second; 0 while nobody knows. */
  get perSecond() {
    if (this.samples.length < 2) return 0;
    const [first, latest] = [this.samples[0], this.samples.at(-1)];
    return latest.now > first.now ? Math.max(0, ((latest.count - first.count) * 1000) / (latest.now - first.now)) : 0;
  }
}
