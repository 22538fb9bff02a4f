/* The locks of the registry (docs/registry.md): two servers of one exclusive service, somebody who cleans up, a client, and a hostile
 * user who read-locks whatever can be opened. Each of ours may be killed at each step; servers may fork.
 *
 * It is to hold that
 *  - no name of a live server is removed, and none of one that is being made;
 *  - at most one server serves;
 *  - whom a client takes for alive lives;
 *  - a server always gets the lock on its own file;
 *  - whatever has died, the next server finds the names free, and removes what is left.
 *
 * Each of these defines plants a bug, and makes something of that fail:
 *  NO_DIRECTORY_LOCK   a server makes its file without the directory's lock
 *  OPEN_BEFORE_LOCK    the file may be opened by others before it is locked
 *  WRITE_LOCK_TEST     liveness is asked with a write lock, which others' read locks hinder
 *  CHILD_KEEPS_FILE    a forked child keeps the registration's description
 *  CHILD_KEEPS_LOCK    a forked child keeps the description of the directory's lock
 *  NAME_BEFORE_CLAIM   a server is found before it has claimed its service
 *  FILE_BEFORE_LINKS   who cleans up removes a file before the links of which only that tells
 */
#define SERVERS 2
#define CLEANER 3 /* the number of its process; servers have 1 and 2, who comes last 4 */
#define LAST 4

bool fresh[SERVERS];       /* instances/<id>.new is there */
bool named[SERVERS];       /* instances/<id> */
bool linked[SERVERS];      /* services/<service>/<id> */
bool open_to_all[SERVERS]; /* its mode lets others open it */
bool locked[SERVERS];      /* somebody holds the write lock on it */
bool read_locked[SERVERS]; /* the hostile user holds a read lock on it */
bool kept[SERVERS];        /* a child has its description, too */
bool alive[SERVERS];       /* the process */
bool serving[SERVERS];     /* registered, and not withdrawn */
byte holder = 0;           /* of the directory's lock */
bool holder_kept = false;  /* a child has the description of that */
byte claim = 0;            /* who holds the service's byte of claims */
byte kills = 2;
byte ended = 0;

/* One system call; or the process is killed before it. */
#define STEP(call) atomic { if :: kills > 0 -> kills--; goto killed :: call fi }

#ifdef WRITE_LOCK_TEST
#define IS_DEAD(j) (!locked[j] && !read_locked[j])
#else
#define IS_DEAD(j) (!locked[j])
#endif

#define LOCK_DIRECTORY(me) (holder == 0) -> holder = me
#define UNLOCK_DIRECTORY(me) holder = (holder_kept -> holder : 0)

/* What RemoveSomeDead does: the file of who is dead tells of its links, which go first. REQUIRES: the directory's lock. */
#define REMOVE_LINK(j) \
  STEP(dead = linked[j] && IS_DEAD(j)); \
  if :: dead -> STEP(assert(!serving[j]); linked[j] = false) :: else fi
#define REMOVE_FILE(j) STEP(assert(!serving[j]); named[j] = false; fresh[j] = false)
#ifdef FILE_BEFORE_LINKS
#define REMOVE_BOTH(j) REMOVE_FILE(j); REMOVE_LINK(j)
#else
#define REMOVE_BOTH(j) if :: named[j] -> REMOVE_LINK(j) :: else fi; REMOVE_FILE(j)
#endif
#define REMOVE_DEAD(j) \
  STEP(dead = (named[j] || fresh[j]) && IS_DEAD(j)); \
  if :: dead -> REMOVE_BOTH(j) :: else fi

/* What the kernel does for who ends. */
inline end(i, me) {
  atomic {
    serving[i] = false;
    alive[i] = false;
    locked[i] = locked[i] && kept[i];
    if :: claim == me -> claim = 0 :: else fi;
    if :: holder == me && !holder_kept -> holder = 0 :: else fi
  }
}

proctype Server(byte i) {
  byte me = i + 1;
  bool dead = false;
  bool mine = false;
  alive[i] = true;
  STEP(LOCK_DIRECTORY(me));
  REMOVE_DEAD(0);
  REMOVE_DEAD(1);
#ifdef NO_DIRECTORY_LOCK
  STEP(UNLOCK_DIRECTORY(me));
#endif
#ifdef OPEN_BEFORE_LOCK
  STEP(fresh[i] = true; open_to_all[i] = true);
#else
  STEP(fresh[i] = true);
#endif
  STEP(assert(!read_locked[i]); locked[i] = true);
#ifdef CHILD_KEEPS_LOCK
  STEP(holder_kept = true);
#endif
#ifndef NO_DIRECTORY_LOCK
  STEP(UNLOCK_DIRECTORY(me));
#endif
  /* It listens. */
  STEP(LOCK_DIRECTORY(me));
#ifndef NAME_BEFORE_CLAIM
  STEP(mine = (claim == 0); claim = (mine -> me : claim));
  if :: !mine -> STEP(fresh[i] = false); STEP(UNLOCK_DIRECTORY(me)); goto killed :: else fi;
#endif
  STEP(assert(fresh[i]); open_to_all[i] = true);
  STEP(fresh[i] = false; named[i] = true);
  STEP(linked[i] = true; serving[i] = true; assert(!(serving[0] && serving[1])));
#ifdef NAME_BEFORE_CLAIM
  STEP(mine = (claim == 0); claim = (mine -> me : claim));
  if :: !mine -> STEP(serving[i] = false; linked[i] = false; named[i] = false); STEP(UNLOCK_DIRECTORY(me)); goto killed
     :: else fi;
#endif
  STEP(UNLOCK_DIRECTORY(me));
#ifdef CHILD_KEEPS_FILE
  STEP(kept[i] = true);
#endif
  /* It serves, and withdraws. */
  STEP(LOCK_DIRECTORY(me));
  STEP(serving[i] = false; linked[i] = false);
  STEP(named[i] = false);
  STEP(locked[i] = locked[i] && kept[i]);
  STEP(claim = 0);
  STEP(UNLOCK_DIRECTORY(me));
killed:
  end(i, me);
  ended++
}

proctype Cleaner() {
  bool dead = false;
  STEP(LOCK_DIRECTORY(CLEANER));
  REMOVE_DEAD(0);
  REMOVE_DEAD(1);
  STEP(UNLOCK_DIRECTORY(CLEANER));
killed:
  atomic { if :: holder == CLEANER && !holder_kept -> holder = 0 :: else fi };
  ended++
}

/* Looks once, at any time. What it sees of one server it sees at once, but for those who die meanwhile. */
proctype Client() {
  atomic { assert(!(linked[0] && locked[0]) || alive[0]) };
  atomic { assert(!(linked[1] && locked[1]) || alive[1]) }
}

proctype Hostile() {
  do
  :: atomic { open_to_all[0] && (fresh[0] || named[0]) && !locked[0] -> read_locked[0] = true }
  :: atomic { open_to_all[1] && (fresh[1] || named[1]) && !locked[1] -> read_locked[1] = true }
  :: break
  od
}

/* The next server, when all others have ended. */
proctype Last() {
  bool dead = false;
  ended == SERVERS + 1;
  kills = 0;
  assert(holder == 0);
  STEP(LOCK_DIRECTORY(LAST));
  REMOVE_DEAD(0);
  REMOVE_DEAD(1);
  assert(claim == 0);
  assert(!fresh[0] && !named[0] && !linked[0] && !fresh[1] && !named[1] && !linked[1]);
killed:
  skip
}

init {
  atomic { run Server(0); run Server(1); run Cleaner(); run Client(); run Hostile(); run Last() }
}
