// Streams of events, of which all tabs together hold a few: a browser opens six connections to a service, and what else a
// page asks for would wait for ever.
const MOST = 4;
const CLOSED = 2;

/** As an EventSource; where none is to be had it is closed at once, which `onerror` tells. */
export class Stream {
  constructor(address) {
    this.readyState = 0;
    this.handlers = [];
    this.open(address);
  }

  async open(address) {
    this.free = await takePlace();
    if (this.readyState === CLOSED) return this.free?.();
    if (!this.free) {
      this.readyState = CLOSED;
      return this.onerror();
    }
    this.source = new EventSource(address);
    for (const handler of this.handlers) this.source.addEventListener(...handler);
    this.source.onopen = () => this.onopen();
    this.source.onerror = () => {
      this.readyState = this.source.readyState;
      if (this.readyState === CLOSED) this.free();
      this.onerror();
    };
  }

  addEventListener(...handler) {
    this.handlers.push(handler);
  }

  close() {
    this.readyState = CLOSED;
    this.source?.close();
    this.free?.();
  }
}

/** Hold one of the places until what it gives is called; null where all are held. */
async function takePlace() {
  if (!navigator.locks) return () => {}; // outside https and localhost
  for (let place = 0; place < MOST; place += 1) {
    const free = await new Promise((tell) => {
      navigator.locks.request(`clr-tuner-stream-${place}`, { ifAvailable: true }, (lock) => lock ? new Promise((free) => tell(free)) : tell(null));
    });
    if (free) return free;
  }
  return null;
}
