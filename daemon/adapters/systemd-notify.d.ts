declare module 'systemd-notify' {
  /** Runs the `systemd-notify` program; rejects with an Error or, from the program, with a string. */
  export default function notify(options: {
    readonly ready?: boolean;
    readonly status?: string;
    readonly pid?: number;
  }): Promise<void>;
}
