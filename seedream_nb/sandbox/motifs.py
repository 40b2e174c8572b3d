"""The subjects that the sandbox's pictures have: each a few flat shapes, found by the words of a prompt."""

from __future__ import annotations

import functools
import itertools
import math
import re
from typing import TYPE_CHECKING, NamedTuple

from .palette import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL import ImageDraw

    from .palette import Colour

Point = tuple[float, float]
Motif = tuple[str, str, str, str]

# A motif by its words: the scene around it where the prompt names none, what it stands on, its colour where the prompt
# names none (else a leaf's), and its shapes, from back to front. They stand in a square of 100 by 100, the feet at the
# bottom. A shape is a colour (a letter of `dyes`), "~" where its mirror image is drawn too, and a path as SVG has them,
# in M L Q C, "O" for an ellipse (centre and two radii) and "R" for a ring (centre, radius, width); with "/" and a width
# at its end it is a line.
WOMAN = """
        k M24 66 C14 40 22 4 51 4 C80 4 86 38 77 66 C72 72 30 72 24 66
        f M41 50 L60 50 L61 78 L40 78
        d M41 50 L60 50 L60 68 C54 76 46 76 41 71
        c M2 100 C4 82 18 76 39 71 C42 80 58 80 62 71 C84 76 96 82 98 100
        s M62 71 C84 76 96 82 98 100 L58 100 C62 92 64 82 62 71
        w M39 71 C42 80 58 80 62 71 L64.5 74 C60 86 40 86 36.5 74
        f M31 32 C30 50 36 65 50 65 C64 65 71 50 70 32 C70 20 60 14 50 14 C40 14 31 20 31 32
        d M50 14 C60 14 70 20 70 32 C71 50 64 65 50 65 C58 56 55 40 52 36
        k M27 40 C25 18 36 8 52 8 C70 8 77 24 74 42 C71 36 69 29 62 24 C52 30 36 28 31 38
        k ~M36 37 Q41 34.5 46 37 /1.3
        k ~M36.5 42 Q41 44.5 45 42 /1.4
        v M51 41 L53.5 49.5 L49.5 50.5 /1.2
        p M43.5 56 Q47 53.8 50 55 Q53 53.8 56.5 56 Q50 61 43.5 56
        y ~O28 53 2.2 3"""
MAN = """
        f M41 50 L61 50 L62 78 L40 78
        d M43 50 L57 50 L59 70 C54 76 46 76 41 72
        k M2 100 C4 82 18 76 38 71 L50 92 L62 71 C82 76 96 82 98 100
        c M38 71 L44 100 L56 100 L62 71 C56 80 44 80 38 71
        w M37 70 L50 84 L63 70 L66 75 L58 90 L50 83 L42 90 L34 75
        d M62 71 C84 76 96 82 98 100 L66 100 C68 92 68 82 62 71
        f ~M30 36 C25 35 25 47 31 48
        f M30 30 C29 50 35 66 50 66 C65 66 71 50 70 30 C70 20 60 13 50 13 C40 13 30 20 30 30
        d M50 13 C60 13 70 20 70 30 C71 50 65 66 50 66 C58 57 55 40 52 36
        k M29 40 C30 62 38 70 50 70 C62 70 70 62 71 40 C68 48 64 52 58 52 C54 50 46 50 42 52 C36 52 32 48 29 40
        k M28 40 C24 18 34 4 54 5 C70 4 78 18 72 40 C71 32 69 27 66 24 C56 28 42 27 35 23 C31 27 30 33 28 40
        k ~M36 35 Q41 32.5 46 35 /1.7
        k ~O41 40 1.7 2
        v M51 39 L53.5 47 L49.5 48 /1.2
        p M45.5 57 Q50 60.5 54.5 57 /1.8"""
ANYBODY = "portrait face person people selfie 肖像 人像 人物 脸"  # a portrait of a cat shows the cat
MOTIFS: dict[str, Motif] = {
    "fox vixen 狐": ("mountain", "ground", "dd6b35", """
        s M62 99 C98 103 108 68 87 47 C86 62 76 72 60 78
        w M87 47 C99 58 102 73 94 85 C92 76 86 72 79 68 C84 63 87 56 87 47
        c M50 36 C33 48 25 76 27 100 L73 100 C75 76 67 48 50 36
        s M50 36 C67 48 75 76 73 100 L50 100
        w M50 46 C41 52 37 64 50 84 C63 64 59 52 50 46
        k ~M35 100 C34 91 49 91 48 100
        c M50 57 Q33 46 22 30 L23 1 L41 15 Q50 12 59 15 L77 1 L78 30 Q67 46 50 57
        s M50 57 L50 13 Q55 13 59 15 L77 1 L78 30 Q67 46 50 57
        k ~M26.5 8 L27 24 Q30 19 35 15.5
        w ~M50 57 Q33 46 22 30 Q40 30 47 46
        k ~O38.5 29 2.3 2.8
        k M45.5 51 Q50 48.5 54.5 51 Q53 57 50 57.5 Q47 57 45.5 51"""),
    "cat kitten 猫": ("city", "ground", "3d4358", """
        s M66 97 C88 100 98 84 91 66 C88 58 96 52 99 57 /6
        c M50 34 C35 44 29 66 27 84 C26 94 30 100 36 100 L64 100 C70 100 74 94 73 84 C71 66 65 44 50 34
        s M50 34 C65 44 71 66 73 84 C74 94 70 100 64 100 L50 100
        w M50 51 C43 54 42 64 50 74 C58 64 57 54 50 51
        t ~M37 100 C36 93 48 93 48 100
        c M50 53 C34 53 26 44 27 30 L28 4 Q36 8 41 15 Q50 12 59 15 Q64 8 72 4 L73 30 C74 44 66 53 50 53
        s M50 53 L50 13.5 Q55 13.5 59 15 Q64 8 72 4 L73 30 C74 44 66 53 50 53
        p ~M31 10 L31.5 23 Q33 19 37.5 16
        y ~M33 33 Q38.5 26 45 34 Q39 38 33 33
        k ~O39 32.5 1.5 3.2
        p M47 40 L53 40 Q52 43.5 50 43.5 Q48 43.5 47 40
        w ~M43 43 L22 40 /.7
        w ~M43 45 L23 48 /.7"""),
    "dog puppy hound 狗 犬": ("mountain", "ground", "b97a45", """
        s M64 96 C80 98 92 84 92 68 /8
        c M50 42 C34 50 28 76 29 100 L71 100 C72 76 66 50 50 42
        s M50 42 C66 50 72 76 71 100 L50 100
        w M50 54 C41 60 40 72 50 88 C60 72 59 60 50 54
        t ~M34 100 C33 91 49 91 49 100
        c M50 58 C35 58 29 46 29 28 C29 14 38 7 50 7 C62 7 71 14 71 28 C71 46 65 58 50 58
        s M50 58 L50 7 C62 7 71 14 71 28 C71 46 65 58 50 58
        k ~M37 9 C22 8 16 24 19 46 C27 46 32 34 33 20
        w M50 10 C46 22 38 38 39 48 C40 56 45 59 50 59 C55 59 60 56 61 48 C62 38 54 22 50 10
        k ~O39.5 30 2.4 2.9
        k M44.5 42 Q50 39.5 55.5 42 Q54 49 50 49 Q46 49 44.5 42
        k M50 48 L50 52 Q47 55.5 44 53.5 /1.1
        k M50 52 Q53 55.5 56 53.5 /1.1
        a M29.5 60 Q50 71 70.5 60 L70 65 Q50 76 30 65"""),
    "bird robin sparrow parrot owl eagle 鸟 雀": ("mountain", "ground", "d8573f", """
        k M48 84 L45 100 /2.2
        k M57 84 L56 100 /2.2
        s M64 60 L99 86 L90 93 L56 78
        k M68 66 L99 86 L94.5 89.5 L62 74
        c M6 31 C12 12 40 8 52 26 C62 38 84 46 78 68 C74 84 54 90 40 86 C22 80 14 60 18 42
        w M18 42 C14 60 22 80 40 86 C46 87.5 52 87.5 57 86 C44 78 34 62 36 46 C34 40 26 38 18 42
        s M46 42 C66 44 82 56 90 78 C72 80 52 76 46 42
        k M52 49 C66 53 78 63 86 76 /1.4
        k M51 57 C60 63 68 69 77 76 /1.4
        k O26 28 3 3.2
        y M12.5 27 L-2 34 L13.5 37.5"""),
    "bottle flask perfume wine 瓶 香水": ("", "table", "3f8068", """
        d M40 99 L98 94 C92 99 80 100 66 100 L40 100
        d M74 102 L122 97 C116 102 104 103 92 103 L74 103
        c M43 14 L57 14 L57 32 C57 40 71 42 71 54 L71 95 Q71 100 66 100 L34 100 Q29 100 29 95 L29 54 C29 42 43 40 43 32
        s M57 14 L57 32 C57 40 71 42 71 54 L71 95 C71 99 69 100 66 100 L57 100 C63 84 62 56 55 46 C51 38 52 30 52 14
        t M34 56 C34 48 40 45 42.5 40 L42.5 46 C39 50 38 52 38 57 L38 94 L34 94
        w M29 62 L71 62 L71 86 L29 86
        h M57.5 62 L71 62 L71 86 L57.5 86
        a O50 74 8.5 8.5
        k M42 74 Q46 70 50 74 Q54 78 58 74 /1.3
        n M44.5 2 L55.5 2 L56 15 L44 15
        k M42 13 L58 13 L58 18 L42 18
        a O84 93 10 10
        g M84 84 C86 78 92 77 96 79 C94 84 88 86 84 84"""),
    "teapot tea coffee cup mug 茶 壶 杯 咖啡": ("", "table", "cf6f4e", """
        d M30 100 L120 97 C112 101 96 102 80 102 L30 102
        c M68 56 C92 50 94 84 66 86 /5
        c M28 58 C17 58 16 48 8 41 L-4 45 C6 53 4 76 26 84
        c M46 42 C64 42 74 54 74 70 C74 88 62 98 46 98 C30 98 18 88 18 70 C18 54 28 42 46 42
        s M46 42 C64 42 74 54 74 70 C74 88 62 98 46 98 C60 88 64 58 46 42
        s M31 96 L61 96 L62 100.5 L30 100.5
        t M25 70 C25 62 29 55 35 51 /2.2
        s M28 47 C34 36 58 36 64 47 C56 51 36 51 28 47
        k O46 36 4 4
        w M80 76 L112 76 C112 92 106 101 96 101 C86 101 80 92 80 76
        h M98 76 L112 76 C112 92 106 101 96 101 C103 97 102 86 98 76
        w M111 80 C121 78 121 92 107 92 /2.6
        n M82 76 L110 76 C105 79 87 79 82 76
        w M91 69 C87 62 97 58 93 50 /1.6
        w M100 69 C96 62 106 58 102 50 /1.6"""),
    "bicycle bike cyclist 自行车 单车 脚踏车": ("sea", "ground", "d9482b", """
        k R14 74 24 3.4
        k R90 74 24 3.4
        l R14 74 20.6 .8
        l R90 74 20.6 .8
        l M14 54 L14 94 /.6
        l M-6 74 L34 74 /.6
        l M0 60 L28 88 /.6
        l M28 60 L0 88 /.6
        l M90 54 L90 94 /.6
        l M70 74 L110 74 /.6
        l M76 60 L104 88 /.6
        l M104 60 L76 88 /.6
        c M14 74 L46 74 L76 40 L33 40 L46 74 /3
        c M14 74 L35 43 /2.6
        c M90 74 C84 66 80 52 73.5 28 /3
        k M46 74 L30 31 /2.4
        k M20 28.5 C26 26 34 28 40 29.5 C39 33 32 32 27 34.5 C21 35 18 31 20 28.5
        k M73.5 28 C76 22 90 22 89 31 C88 36 82 35 81 33 /2.8
        k O46 74 6 6
        l O46 74 2.4 2.4
        k M46 74 L53 87 /2
        k M49 88 L58 86.5 /2.6
        k O14 74 2.6 2.6
        k O90 74 2.6 2.6"""),
    "lighthouse beacon 灯塔": ("sea", "water", "d64b3c", """
        e M56 15 L456 -45 L456 75 L56 20
        e M44 15 L-356 -45 L-356 75 L44 20
        k M0 104 C6 91 18 92 25 84 C34 77 66 77 75 84 C82 92 94 91 100 104
        w M40 26 L60 26 L67 84 L33 84
        c M38.9 36 L61.1 36 L62.6 48 L37.4 48
        c M36 60 L64 60 L65.5 72 L34.5 72
        d M53 26 L60 26 L67 84 L56 84
        s M53.5 36 L61.1 36 L62.6 48 L54.3 48
        s M55 60 L64 60 L65.5 72 L55.6 72
        k M36 22.5 L64 22.5 L63 27 L37 27
        y M43 11 L57 11 L57 22.5 L43 22.5
        k M50 11 L50 22.5 /1
        k M43 11 L43 22.5 /1.2
        k M57 11 L57 22.5 /1.2
        c M40 11 Q50 -3 60 11
        k M50 4 L50 -3 /1.2
        k M46 84 L46 77 Q50 72 54 77 L54 84
        k M48 30 L52 30 L52 34 L48 34
        k M48 52 L52 52 L52 56.5 L48 56.5"""),
    "boat ship sail sailboat yacht 船 帆": ("sea", "water", "cf4f3b", """
        k M49 6 L49 86 /1.8
        w M46 12 C44 40 30 62 8 76 L46 76
        h M46 12 C44 40 40 62 34 76 L46 76
        c M52 10 C78 24 90 50 92 76 L52 76
        s M52 10 C60 30 62 54 60 76 L92 76 C90 50 78 24 52 10
        k M2 82 L98 82 C95 92 88 100 80 102 L22 102 C12 100 6 92 2 82
        a M3.4 85.5 L96.6 85.5 L95.4 89 L4.8 89"""),
    "town village harbour harbor houses 镇 村 港": ("sea", "ground", "d9623f", """
        h M-20 58 L-7 44 L6 58 L6 100 L-20 100
        y M-15 64 L-10 64 L-10 72 L-15 72
        y M-4 64 L1 64 L1 72 L-4 72
        y M-15 80 L-10 80 L-10 88 L-15 88
        2 M-23 60 L-7 42 L9 60
        w M84 72 L98 60 L112 72 L112 100 L84 100
        y M91 80 L96 80 L96 88 L91 88
        y M101 80 L106 80 L106 88 L101 88
        k M104 52 L109 52 L109 66 L104 66
        c M81 74 L98 56 L115 74
        w M3 70 L18 54 L33 70 L33 100 L3 100
        k M8 100 L8 84 L15 84 L15 100
        y M19 76 L24 76 L24 84 L19 84
        c M0 72 L18 50 L36 72
        a M58 62 L73 48 L88 62 L88 100 L58 100
        y M65 70 L71 70 L71 78 L65 78
        y M76 70 L82 70 L82 78 L76 78
        y M65 86 L71 86 L71 94 L65 94
        k M76 100 L76 84 L83 84 L83 100
        k M55 64 L73 44 L91 64
        t M26 44 L43 26 L60 44 L60 100 L26 100
        s M49 14 L54 14 L54 32 L49 32
        s M22 46 L43 22 L64 46
        y M32 53 L38 53 L38 62 L32 62
        y M48 53 L54 53 L54 62 L48 62
        y M32 70 L38 70 L38 79 L32 79
        y M48 70 L54 70 L54 79 L48 79
        k M39 100 L39 88 Q43 83 47 88 L47 100"""),
    "house cabin cottage hut home barn 屋 房": ("mountain", "ground", "b5533c", """
        3 ~M-4 100 L8 64 L20 100
        4 ~M-10 100 L-1 76 L8 100
        k M68 22 L77 22 L77 48 L68 48
        w M72 18 C66 10 80 6 74 -6 /4
        t M20 54 L50 24 L80 54 L80 100 L20 100
        d M50 24 L80 54 L80 100 L50 100
        c M12 58 L50 18 L88 58 L82 63 L50 30 L18 63
        y M28 66 L43 66 L43 81 L28 81
        k M35.5 66 L35.5 81 /1.3
        k M28 73.5 L43 73.5 /1.3
        k M56 100 L56 68 L72 68 L72 100
        y O68.5 85 1.2 1.2
        y O50 46 4.5 4.5"""),
    "flower rose tulip sunflower garden poppy blossom bouquet 花 玫瑰": ("mountain", "ground", "e0523f", """
        g M50 100 C48 80 52 60 50 36 /2.4
        g M30 100 C32 84 22 72 20 56 /2.2
        g M72 100 C68 86 80 76 80 58 /2.2
        g M50 98 C38 94 32 84 34 72 C44 78 50 86 50 98
        g M50 92 C62 90 68 80 67 68 C57 73 51 82 50 92
        g M29 96 C20 94 13 86 12 77 C21 81 28 88 29 96
        g M72 96 C80 96 88 88 90 79 C81 82 74 88 72 96
        c M50 44 C30 44 26 22 34 6 C38 12 42 15 44 20 Q46 11 50 4 Q54 11 56 20 C58 15 62 12 66 6 C74 22 70 44 50 44
        s M50 44 C53 30 55 14 50 4 C52 8 54 12 56 20 C58 15 62 12 66 6 C74 22 70 44 50 44
        w O20 34.5 5.6 5.6
        w O20 55.5 5.6 5.6
        w O9.5 45 5.6 5.6
        w O30.5 45 5.6 5.6
        w O12.6 37.6 5.6 5.6
        w O27.4 37.6 5.6 5.6
        w O12.6 52.4 5.6 5.6
        w O27.4 52.4 5.6 5.6
        w O20 45 10 10
        y O20 45 6 6
        2 M80 62 C64 62 60 46 67 36 C71 41 76 39 80 36 C84 39 89 41 93 36 C100 46 96 62 80 62
        d M80 62 C86 54 84 44 80 36 C84 39 89 41 93 36 C100 46 96 62 80 62"""),
    "tree oak 树": ("mountain", "ground", "", """
        k M46 100 C48 84 46 70 47 50 L54 50 C54 70 53 84 57 100
        k M50 74 L34 56 /3
        k M51 66 L66 50 /3
        c M50 2 C66 0 76 12 75 22 C90 26 94 46 82 56 C78 68 62 70 54 64 C44 72 26 70 22 58 C6 52 8 30 24 26 Q24 3 50 2
        s M50 2 C66 0 76 12 75 22 C90 26 94 46 82 56 C78 68 62 70 54 64 C70 56 76 30 50 2
        t M29 31 C24 38 25 46 30 50 /2
        t M40 9 C34 11 31 15 31 19 /2
        t M48 28 C44 30 42 34 43 38 /2"""),
    "balloon airship 气球 热气球": ("mountain", "air", "e0583f", """
        c M50 2 C20 2 12 32 24 50 C32 62 40 68 43 74 L57 74 C60 68 68 62 76 50 C88 32 80 2 50 2
        w M50 2 C34 4 30 34 40 56 C43 64 45 68 46.5 74 L53.5 74 C55 68 57 64 60 56 C70 34 66 4 50 2
        a M50 2 C42 14 42 44 49 74 L51 74 C58 44 58 14 50 2
        d M50 2 C80 2 88 32 76 50 C68 62 60 68 57 74 L54 74 C66 52 72 22 50 2
        k M43.5 74 L46 88 /.8
        k M56.5 74 L54 88 /.8
        n M44 86 L56 86 L55 97 Q50 99 45 97
        k M43.4 85.4 L56.6 85.4 L56.4 88 L43.6 88"""),
    "robot android 机器人": ("city", "ground", "5f93a8", """
        k M50 14 L50 4 /2
        a O50 4 3.6 3.6
        c M30 14 L70 14 Q76 14 76 20 L76 40 Q76 46 70 46 L30 46 Q24 46 24 40 L24 20 Q24 14 30 14
        s M56 14 L70 14 Q76 14 76 20 L76 40 Q76 46 70 46 L50 46 Q62 30 56 14
        k M31 21 L69 21 L69 37 L31 37
        y ~O41 29 4.4 4.4
        k ~M24 26 L19 26 L19 36 L24 36
        k M44 46 L56 46 L56 51 L44 51
        s ~M28 56 C18 56 16 66 17 78 /6
        k ~O17 80 4.6 4.6
        c M32 51 L68 51 Q72 51 72 55 L70 82 L30 82 L28 55 Q28 51 32 51
        s M56 51 L68 51 Q72 51 72 55 L70 82 L50 82 Q60 66 56 51
        w M38 57 L62 57 L61 72 L39 72
        a M42 65 L46 65 L48.5 60.5 L52 69 L54 65 L58 65 /1.5
        k ~M35 82 L46 82 L46 94 L35 94
        c ~M31 100 C31 92 48 92 48 100"""),
    "woman girl lady queen princess 女": ("", "bust", "c8553d", WOMAN),
    "man boy gentleman king prince 男": ("", "bust", "4a7a9c", MAN),
    ANYBODY: ("", "bust", "c8553d", WOMAN),
}  # fmt: skip
STEPS = [number / 12 for number in range(1, 13)]
TURNS = [math.tau * number / 64 for number in range(65)]


class Shape(NamedTuple):
    """A line of so many units, or an area (0), in the colour of a letter."""

    letter: str
    points: list[Point]
    width: float


def find_motif(prompt: str) -> str:
    """Return the words of the motif that a prompt speaks of first, "" where there is none."""
    found = spoken(prompt, MOTIFS)
    return next((words for words in found if words != ANYBODY), "".join(found))


def curve(points: list[Point]) -> Iterator[Point]:
    """Yield points along a Bézier curve of any degree, but for its first."""
    for share in STEPS:
        left = points
        while len(left) > 1:
            left = [(a + (c - a) * share, b + (d - b) * share) for (a, b), (c, d) in itertools.pairwise(left)]
        yield left[0]


def ellipse(x: float, y: float, wide: float, tall: float) -> list[Point]:
    """Return points along an ellipse."""
    return [(x + wide * math.cos(turn), y + tall * math.sin(turn)) for turn in TURNS]


def ring(x: float, y: float, radius: float, width: float) -> list[Point]:
    """Return the corners of a ring: out around, and back within."""
    return [*ellipse(x, y, radius, radius), *reversed(ellipse(x, y, radius - width, radius - width))]


def outline(path: str) -> list[Point]:
    """Return the corners of a path: its curves become many short lines."""
    corners: list[Point] = []
    for kind, told in re.findall("([MLQCOR])([^MLQCOR]*)", path):
        numbers = [float(number) for number in told.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        rounds = {"O": ellipse, "R": ring}
        corners += (
            rounds[kind](*numbers) if kind in rounds else points if kind in "ML" else curve([corners[-1], *points])
        )
    return corners


@functools.cache
def shapes(words: str) -> list[Shape]:
    """Return the shapes of a motif, from back to front."""
    found = []
    for row in MOTIFS[words][3].strip().split("\n"):
        letter, path = row.split(maxsplit=1)
        points, width = outline(path.partition("/")[0]), float(path.partition("/")[2] or 0)
        mirrored = [[(100 - x, y) for x, y in points]] if path.startswith("~") else []
        found += [Shape(letter, each, width) for each in (points, *mirrored)]
    return found


def extent(words: str) -> tuple[float, float]:
    """Return how far a motif reaches to the left and to the right, light and shadow aside."""
    across = [x for shape in shapes(words) if shape.letter not in "de" for x, _ in shape.points]
    return min(across), max(across)


def draw(pen: ImageDraw.ImageDraw, words: str, at: Point, units: Point, dyes: Mapping[str, Colour]) -> None:
    """Draw a motif with its feet at a place; `units` are the pixels of a unit across (negative: mirrored) and down."""
    for letter, points, width in shapes(words):
        placed = [(at[0] + units[0] * (x - 50), at[1] + units[1] * (y - 100)) for x, y in points]
        if width:
            rule(pen, placed, dyes[letter], width * units[1])
        else:
            pen.polygon(placed, dyes[letter])


def rule(pen: ImageDraw.ImageDraw, points: list[Point], colour: Colour, width: float) -> None:
    """Draw a line with round ends."""
    pen.line(points, colour, max(1, round(width)), joint="curve")
    for x, y in (points[0], points[-1]):
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), colour)
