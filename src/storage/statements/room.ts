/**
 * The statement about room on the database's disk. As the schema's owner; instance-wide, since it touches no row that is kept.
 */

/**
 * Takes 16 MiB of the disk and gives them back: as much as one more segment of the server's log. Unlogged, since what is
 * logged would itself use up the room that is left.
 */
export const TAKE_ROOM = `
  create unlogged table stepgate.room (filler text);
  alter table stepgate.room alter column filler set storage plain;
  insert into stepgate.room select repeat('x', 8000) from generate_series(1, 2048);
  drop table stepgate.room`;
