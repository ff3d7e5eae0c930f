import { LIBXC, LIBXL, type GuestType, type RecordSpec } from './records.js';

/**
 * Which record may come next. Pure bookkeeping beside the decoder: each method returns why a record
 * may not come here, or null.
 *
 * Places, and what moves between them:
 * - `start`      the libxl stream has begun         LIBXC_CONTEXT -> `image`
 * - `image`      libxc's records                    CHECKPOINT -> `checkpoint`, END -> `tail`
 * - `checkpoint` libxl's records of a checkpoint    CHECKPOINT_END -> `image`
 * - `tail`       libxl's records after the image    END -> `done`
 */
export type Place = 'start' | 'image' | 'checkpoint' | 'tail' | 'done';

export class RecordOrder {
  #place: Place = 'start';
  #version = 3;
  #guest: GuestType = 'hvm';
  #static_done = false;
  #pv_info = false;
  /** The guest's own state (HVM_CONTEXT, or SHARED_INFO for PV) has come since the last checkpoint. */
  #state_seen = false;

  get place(): Place {
    return this.#place;
  }

  image(version: number, guest: GuestType): void {
    this.#version = version;
    this.#guest = guest;
    // Version 2 has no static part.
    this.#static_done = version < 3;
  }

  libxl(type: number): string | null {
    switch (this.#place) {
      case 'start':
        return this.#move(type, LIBXL.LIBXC_CONTEXT, 'image', 'the first record is LIBXC_CONTEXT');
      case 'checkpoint':
        if (isEmulator(type)) return null;
        return this.#move(
          type,
          LIBXL.CHECKPOINT_END,
          'image',
          'CHECKPOINT_END comes after CHECKPOINT',
        );
      case 'tail':
        if (isEmulator(type)) return null;
        return this.#move(type, LIBXL.END, 'done', 'END comes after the image');
      case 'image':
      case 'done':
        return 'no libxl record may come here';
    }
  }

  libxc(type: number, spec: RecordSpec): string | null {
    if (spec.guest !== undefined && spec.guest !== this.#guest) {
      return `it belongs to ${spec.guest} guests, this one is ${this.#guest}`;
    }
    return this.#staticRule(type, spec) ?? this.#pvRule(type) ?? this.#advance(type);
  }

  #move(type: number, wanted: number, next: Place, else_reason: string): string | null {
    if (type !== wanted) return else_reason;
    this.#place = next;
    return null;
  }

  #staticRule(type: number, spec: RecordSpec): string | null {
    if (type === LIBXC.STATIC_DATA_END) {
      if (this.#static_done) return 'the static data has ended already';
      this.#static_done = true;
      return this.#guest === 'pv' && !this.#pv_info ? 'X86_PV_INFO must come before it' : null;
    }
    if (this.#static_done) {
      return spec.static_data === 'only' && this.#version >= 3 ? 'the static data has ended' : null;
    }
    return spec.static_data === 'only' ? null : 'the static data has not ended';
  }

  #pvRule(type: number): string | null {
    if (type === LIBXC.X86_PV_INFO) {
      if (this.#pv_info) return 'it came before';
      this.#pv_info = true;
    }
    const needs_info = type === LIBXC.X86_PV_P2M_FRAMES || type === LIBXC.PAGE_DATA;
    return needs_info && this.#guest === 'pv' && !this.#pv_info ? 'X86_PV_INFO is missing' : null;
  }

  #advance(type: number): string | null {
    if (type === LIBXC.HVM_CONTEXT || type === LIBXC.SHARED_INFO) this.#state_seen = true;
    if (type !== LIBXC.CHECKPOINT && type !== LIBXC.END) return null;
    if (!this.#state_seen) return "the guest's processor state has not come before it";
    this.#state_seen = false;
    this.#place = type === LIBXC.CHECKPOINT ? 'checkpoint' : 'tail';
    return null;
  }
}

function isEmulator(type: number): boolean {
  return type === LIBXL.EMULATOR_XENSTORE_DATA || type === LIBXL.EMULATOR_CONTEXT;
}
