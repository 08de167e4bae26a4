import type * as api from './kith-api.d.ts';
export type FileRef = api.FileRef;
export type FileState = api.FileState;
export type FolderFile = api.FolderFileInfo;
/** The files of this space. They may have any size: pages have addresses, and no bytes go by the socket. */
export declare const blobs: {
    /**
     * Hands a file in. It is kept for a day; for good once an entry names it (`space.append`). While the node is
     * away it waits. Three are sent at once, the next ones wait for their turn.
     * @param {Blob | ReadableStream<Uint8Array>} file A File has its name and type; a stream is collected first.
     * @param {object} [options]
     * @param {string} [options.name] Another name. What no file can be called is replaced.
     * @param {string} [options.type] Another media type.
     * @param {(done: { sent: number, size: number }) => void} [options.onProgress] Told as it goes, in bytes.
     * @param {AbortSignal} [options.signal] Aborted, nothing of it is kept.
     * @returns {Promise<FileRef>} For `attachments`, and for `url`.
     */
    add(file: Blob | ReadableStream<Uint8Array>, { name, type, onProgress, signal }?: {
        name?: string;
        type?: string;
        onProgress?: (done: {
            sent: number;
            size: number;
        }) => void;
        signal?: AbortSignal;
    }): Promise<FileRef>;
    /**
     * The address of a file, for `src` and `href` and `fetch`. Bytes that are not here yet are fetched when they are
     * read, first of all. A browser has 6 connections to an origin: of what is still with others, show a few at once.
     * @param {{ url: string } | string} file What `add`, an entry or `files` gave, or a hash.
     * @param {{ download?: boolean }} [options] `download`: saved under its name, not shown.
     * @returns {string}
     */
    url(file: {
        url: string;
    } | string, { download }?: {
        download?: boolean;
    }): string;
    /**
     * How far the files of this space are: at first all of which something is here or wanted, then those that change.
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {AsyncGenerator<FileState[], void, void>}
     */
    watch({ signal }?: {
        signal?: AbortSignal;
    }): AsyncGenerator<FileState[], void, void>;
    /**
     * Begins to fetch a file or folder that an entry names, or goes on. It goes on by itself while somebody has it.
     * @param {string} hash @param {{ signal?: AbortSignal }} [options]
     */
    fetch(hash: string, options?: {
        signal?: AbortSignal;
    }): Promise<void>;
    /**
     * Stops fetching. What came is kept.
     * @param {string} hash @param {{ signal?: AbortSignal }} [options]
     */
    pause(hash: string, options?: {
        signal?: AbortSignal;
    }): Promise<void>;
    /**
     * Stops fetching, and deletes what is here of it. It may be fetched again, from who has it.
     * @param {string} hash @param {{ signal?: AbortSignal }} [options]
     */
    drop(hash: string, options?: {
        signal?: AbortSignal;
    }): Promise<void>;
    /**
     * The files of a folder, in the order of their paths.
     * @param {string} hash
     * @param {{ after?: string, limit?: number, signal?: AbortSignal }} [options] After this path; 100 at a time where
     *   `limit` is left out, 1,000 at most.
     * @returns {Promise<{ files: FolderFile[], more: boolean }>}
     */
    files(hash: string, { signal, ...range }?: {
        after?: string;
        limit?: number;
        signal?: AbortSignal;
    }): Promise<{
        files: FolderFile[];
        more: boolean;
    }>;
};
