/** @import * as api from './kith-api.d.ts' */
import type * as api from './kith-api.d.ts';
/**
 * What went wrong: `code` for programs, and for people `what` happened, `why`, and what `todo`.
 * Codes are the node's (see `ErrorCode`), and two of this file: `disconnected`, the node went away before
 * it answered; `refused`, the node does not know this page's permission any more.
 */
export declare class KithError extends Error {
    code: "disconnected" | "refused" | api.ErrorCode;
    what: string;
    why: string;
    todo: string;
    /** @param {{ code: api.ErrorCode | 'disconnected' | 'refused', what: string, why?: string, todo?: string }} parts */
    constructor({ code, what, why, todo }: {
        code: api.ErrorCode | 'disconnected' | 'refused';
        what: string;
        why?: string;
        todo?: string;
    });
}
export declare const disconnected: () => KithError;
export declare const refused: () => KithError;
export declare const left: () => KithError;
export type State = 'idle' | 'connecting' | 'open' | 'waiting' | 'refused' | 'closed';
export type Call = {
    id: number;
    method: string;
    params: unknown;
    sent: boolean;
    resolve: (value: any) => void;
    reject: (error: unknown) => void;
};
/**
 * How the connection stands: `idle` until something is asked; `connecting`; `open`; `waiting` to try
 * again, the node being away; `refused` for good; `closed` by the page.
 * @typedef {'idle' | 'connecting' | 'open' | 'waiting' | 'refused' | 'closed'} State
 */
/**
 * @typedef {object} Call
 * @property {number} id
 * @property {string} method
 * @property {unknown} params
 * @property {boolean} sent
 * @property {(value: any) => void} resolve
 * @property {(error: unknown) => void} reject
 */
/** A JSON-RPC connection that comes back by itself. Dispatches `state` events. */
export declare class Connection extends EventTarget {
    #private;
    /** Why it was refused. @type {KithError | undefined} */ error: KithError | undefined;
    /**
     * @param {object} [options]
     * @param {string} [options.url] The socket's address; this origin's where it is left out.
     * @param {(call: (method: string, params: unknown) => Promise<any>) => Promise<void>} [options.greet]
     *   What to say first on every new socket. A KithError refuses the connection for good.
     */
    constructor({ url, greet }?: {
        url?: string;
        greet?: (call: (method: string, params: unknown) => Promise<any>) => Promise<void>;
    });
    /** How it stands. */
    get state(): State;
    /** When the next try is due, in ms since 1970, while `waiting`. @type {number | undefined} */ nextTry: number | undefined;
    /**
     * Calls a method of the node.
     * @template {keyof api.Methods} M
     * @param {M} method
     * @param {api.Methods[M]['params']} [params]
     * @param {{ signal?: AbortSignal | undefined }} [options]
     * @returns {Promise<api.Methods[M]['reply']>}
     */
    call<M extends keyof api.Methods>(method: M, params?: api.Methods[M]['params'], { signal }?: {
        signal?: AbortSignal | undefined;
    }): Promise<api.Methods[M]['reply']>;
    /**
     * Follows something. The subscription is renewed when the connection is.
     * @param {() => api.Subscription} what Asked for each renewal, so that it can go on where it was.
     * @param {object} [options]
     * @param {AbortSignal | undefined} [options.signal]
     * @param {boolean} [options.resumes] A renewal brings again what is still queued: forget the queue.
     * @returns {AsyncGenerator<api.Event, void, void>}
     */
    subscribe(what: () => api.Subscription, { signal, resumes }?: {
        signal?: AbortSignal | undefined;
        resumes?: boolean;
    }): AsyncGenerator<api.Event, void, void>;
    /** Tries to connect now rather than when the wait is over. */
    retry(): void;
    /** Starts over after `refused`, with what has changed since. */
    restart(): void;
    /** Ends it. Calls under way reject. */
    close(): void;
}
/** This page's connection. Nothing is sent before the first call. */
export declare const connection: Connection;
