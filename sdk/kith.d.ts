export { app } from './app.js';
export { blobs } from './blobs.js';
export { connection, Connection, KithError } from './connection.js';
import type * as api from './kith-api.d.ts';
export type Me = api.Me;
export type Member = api.Member;
export type Appended = api.Appended;
export type FileRef = import('./blobs.js').FileRef;
export type FileState = import('./blobs.js').FileState;
export type FolderFile = import('./blobs.js').FolderFile;
export type State = import('./connection.js').State;
export type Attach = api.Attach;
export type Draft = api.Draft;
export type Entry = Omit<api.Entry, 'body'> & {
    body: any;
};
/**
 * Who this page's person is in this space.
 * @param {{ signal?: AbortSignal }} [options]
 */
export declare function me(options?: {
    signal?: AbortSignal;
}): Promise<api.Me>;
export declare namespace me {
    var setName: (name: string, options?: {
        signal?: AbortSignal;
    }) => Promise<void>;
}
/** The space of this page. */
export declare const space: {
    /**
     * Appends to one's own log. Returns once it is safe on disk. While the node is away it waits; it is
     * never written twice.
     * @param {unknown} value Any JSON value, or a Uint8Array. 128 KiB at most.
     * @param {object} [options]
     * @param {Attach[]} [options.attachments] Files that belong to it, 64 at most: as `blobs.add` or an
     *   entry of this space gave them. While an entry names a file, the people here keep it.
     * @param {api.EntryKind} [options.kind] For webxdc.js.
     * @param {AbortSignal} [options.signal]
     * @returns {Promise<api.Appended>} Its serial, its index in one's own log, its time.
     */
    append(value: unknown, { kind, attachments, signal }?: {
        attachments?: Attach[];
        kind?: api.EntryKind;
        signal?: AbortSignal;
    }): Promise<api.Appended>;
    /**
     * Reads entries, in the order of their serials: the order in which they arrived at this node.
     * @param {object} [options]
     * @param {number} [options.after] Only higher serials than this one.
     * @param {number} [options.before] Only lower ones; then the newest of these.
     * @param {number} [options.limit] At most so many: 100 where it is left out, 1,000 at most.
     * @param {api.EntryKind} [options.kind] `app` where it is left out.
     * @param {AbortSignal} [options.signal]
     * @returns {Promise<Entry[]>}
     */
    read({ signal, kind, ...range }?: {
        after?: number;
        before?: number;
        limit?: number;
        kind?: api.EntryKind;
        signal?: AbortSignal;
    }): Promise<Entry[]>;
    /**
     * Entries after a serial, then those to come, oneself's too. Misses none, whatever happens in between.
     * @param {{ after?: number, kind?: api.EntryKind, signal?: AbortSignal }} [options]
     * @returns {AsyncGenerator<Entry, void, void>}
     */
    watch({ after, kind, signal }?: {
        after?: number;
        kind?: api.EntryKind;
        signal?: AbortSignal;
    }): AsyncGenerator<Entry, void, void>;
    /**
     * The people of this space, present or not.
     * @param {{ signal?: AbortSignal }} [options]
     */
    members(options?: {
        signal?: AbortSignal;
    }): Promise<api.Member[]>;
    /**
     * Who is online, oneself left out: the ids at once, and again whenever someone comes or goes.
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {AsyncGenerator<string[], void, void>}
     */
    presence({ signal }?: {
        signal?: AbortSignal;
    }): AsyncGenerator<string[], void, void>;
    /**
     * Sends a message that is not kept to those who are online now.
     * @param {unknown} value Any JSON value, or a Uint8Array. 128 KiB at most.
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {Promise<number>} To how many it went.
     */
    send(value: unknown, options?: {
        signal?: AbortSignal;
    }): Promise<number>;
    /**
     * Messages that others send, from now on.
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {AsyncGenerator<{ from: string, body: any }, void, void>}
     */
    messages({ signal }?: {
        signal?: AbortSignal;
    }): AsyncGenerator<{
        from: string;
        body: any;
    }, void, void>;
    /**
     * What the person brought here from another app, to be changed and sent: a text, and files that no entry
     * names yet. Each is told once; null where there is none. Only kith's own Chat is brought any.
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {Promise<Draft | null>}
     */
    draft(options?: {
        signal?: AbortSignal;
    }): Promise<Draft | null>;
};
